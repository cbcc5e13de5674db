//! A second factor beside staff's password: codes by time (TOTP, RFC 6238), one-time codes for when the phone is lost,
//! who must have one, and for how long a sign-in counts as fresh.

use std::ops::RangeInclusive;

use chrono::TimeDelta;

use crate::Timestamp;
use crate::place::codes;
use crate::staff::Role;

/// How long a code counts, in seconds (RFC 6238, section 4.1: what every authenticator app does unless told otherwise).
pub const STEP_S: i64 = 30;
/// How many digits a code has.
pub const DIGITS: u32 = 6;
/// By how many steps a phone's clock may differ, either way (RFC 6238, section 5.2).
const TOLERANCE: i64 = 1;
/// How many one-time codes for a lost phone are given at once.
pub const RECOVERY_CODES: usize = 10;
/// For how long whoever has shown who they are may do what matters most (OWASP ASVS 4.0.3, 3.7.1 and 4.3.3).
pub const FRESH: TimeDelta = TimeDelta::minutes(5);

/// How many wrong codes may follow each other freely.
const FREE_FAILURES: i32 = 5;
/// The longest wait. Only who knows the password can make somebody wait so long, and then it should be long: some
/// hundred guesses a day at a million codes, three of which are good at any time.
const PAUSE_MAX: TimeDelta = TimeDelta::minutes(15);

/// The step of a moment (T of RFC 6238).
pub fn step(at: Timestamp) -> i64 {
    at.timestamp().div_euclid(STEP_S)
}

/// The steps whose codes are taken at a moment.
pub fn steps(now: Timestamp) -> RangeInclusive<i64> {
    let now = step(now);
    now - TOLERANCE..=now + TOLERANCE
}

/// How long to wait after that many wrong codes since the last right one: nothing, then 1 s, 2 s, 4 s and so on.
pub fn pause(failures: i32) -> TimeDelta {
    match failures.checked_sub(FREE_FAILURES) {
        Some(more @ 0..) => TimeDelta::seconds(1 << more.min(10)).min(PAUSE_MAX),
        _ => TimeDelta::zero(),
    }
}

/// Whether who showed at `confirmed_at` who they are counts as having done so just now.
pub fn is_fresh(confirmed_at: Option<Timestamp>, now: Timestamp) -> bool {
    confirmed_at.is_some_and(|at| now - at < FRESH)
}

/// Which of the staff that sign in by a password need a second factor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SecondFactorPolicy {
    /// Nobody; whoever wants one has one.
    #[default]
    None,
    /// Administrators, and whoever works for the city: these see and change what is others'.
    Administrators,
    /// Everybody.
    Staff,
}

codes!(SecondFactorPolicy {
    None = "none",
    Administrators = "administrators",
    Staff = "staff",
});

impl SecondFactorPolicy {
    /// Every one of them.
    pub const ALL: [Self; 3] = [Self::None, Self::Administrators, Self::Staff];

    /// Whether somebody of that role, of an operator or of the city, needs one.
    pub fn requires(self, role: Role, of_city: bool) -> bool {
        match self {
            Self::None => false,
            Self::Administrators => of_city || role == Role::Administrator,
            Self::Staff => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    const EPOCH: Timestamp = DateTime::UNIX_EPOCH;

    #[test]
    fn a_step_lasts_thirty_seconds_and_its_neighbours_are_taken() {
        // RFC 6238, appendix B.
        for (seconds, expected) in [
            (0, 0),
            (29, 0),
            (30, 1),
            (59, 1),
            (1_111_111_109, 0x235_23EC),
            (20_000_000_000, 0x27BC_86AA),
        ] {
            let at = EPOCH + TimeDelta::seconds(seconds);
            assert_eq!(step(at), expected);
            assert_eq!(steps(at), expected - 1..=expected + 1);
        }
        assert_eq!(step(EPOCH - TimeDelta::seconds(1)), -1);
    }

    #[test]
    fn guessing_waits_longer_and_longer() {
        let waits: Vec<i64> = (0..18).map(|n| pause(n).num_seconds()).collect();
        assert_eq!(
            waits,
            [
                0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900
            ]
        );
        assert_eq!(pause(i32::MAX), PAUSE_MAX);
        assert_eq!(pause(i32::MIN), TimeDelta::zero());
    }

    #[test]
    fn a_confirmation_grows_old() {
        assert!(is_fresh(Some(EPOCH), EPOCH + FRESH - TimeDelta::seconds(1)));
        assert!(!is_fresh(Some(EPOCH), EPOCH + FRESH));
        assert!(!is_fresh(None, EPOCH));
    }

    #[test]
    fn who_sees_what_is_others_needs_one_first() {
        let needs = |policy: SecondFactorPolicy| {
            [
                policy.requires(Role::Staff, false),
                policy.requires(Role::Administrator, false),
                policy.requires(Role::Staff, true),
                policy.requires(Role::Auditor, true),
                policy.requires(Role::Administrator, true),
            ]
        };
        assert_eq!(needs(SecondFactorPolicy::None), [false; 5]);
        let administrators = needs(SecondFactorPolicy::Administrators);
        assert_eq!(administrators, [false, true, true, true, true]);
        assert_eq!(needs(SecondFactorPolicy::Staff), [true; 5]);
        for policy in SecondFactorPolicy::ALL {
            assert_eq!(SecondFactorPolicy::from_code(policy.code()), Some(policy));
        }
    }
}
