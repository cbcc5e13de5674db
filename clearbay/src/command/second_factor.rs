//! Who must have a second factor: a setting.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use domain::second_factor::SecondFactorPolicy;

/// Who must have a second factor.
#[derive(Clone, Debug, clap::Args)]
pub struct SecondFactorOptions {
    /// Which of the staff who sign in by a password need a second factor, and may do nothing else before they have
    /// one. With administrators, whoever works for the city needs one as well. Who signs in at the identity provider
    /// is asked there.
    #[arg(long, env = "CLEARBAY_REQUIRE_SECOND_FACTOR", default_value = SecondFactorPolicy::None.code(),
        value_parser = policy())]
    pub require_second_factor: SecondFactorPolicy,
}

/// The policies by their names.
fn policy() -> impl TypedValueParser<Value = SecondFactorPolicy> {
    let names = SecondFactorPolicy::ALL.map(SecondFactorPolicy::code);
    PossibleValuesParser::new(names)
        .map(|name| SecondFactorPolicy::from_code(&name).unwrap_or_default())
}
