//! How drivers are told something while their page is closed: settings, and the key.

use anyhow::Context;
use api::Push;
use api::push::{PushHosts, VapidKey, hosts};

use crate::out::out;

/// How drivers are told something while their page is closed.
#[derive(Clone, Debug, clap::Args)]
pub struct PushOptions {
    /// The browsers' push services that may be called, separated by commas: a host, *.domain, or an
    /// origin with its scheme and port.
    #[arg(long, env = "CLEARBAY_PUSH_HOSTS", default_value = hosts::KNOWN)]
    push_hosts: PushHosts,
    /// Where the people of a push service reach yours: mailto:... or https:... Without it, the public
    /// URL where that is https.
    #[arg(long, env = "CLEARBAY_PUSH_CONTACT")]
    push_contact: Option<String>,
}

impl PushOptions {
    /// What is needed to tell drivers anything, by that key; nothing without one.
    ///
    /// # Errors
    /// For a key that is none and a contact that no push service takes.
    pub fn push(&self, key: &str, public_url: Option<&str>) -> anyhow::Result<Option<Push>> {
        if key.is_empty() {
            return Ok(None);
        }
        let is_contact = |text: &&str| text.starts_with("mailto:") || text.starts_with("https://");
        let named = self.push_contact.as_deref().filter(|text| !text.is_empty());
        anyhow::ensure!(
            named.is_none_or(|text| is_contact(&text)),
            "CLEARBAY_PUSH_CONTACT is neither mailto:... nor https://..."
        );
        Ok(Some(Push {
            key: VapidKey::parse(key).context("CLEARBAY_VAPID_KEY")?,
            hosts: self.push_hosts.clone(),
            contact: named.or(public_url.filter(is_contact)).map(str::to_owned),
        }))
    }
}

/// Make a key for push messages, to be kept secret as CLEARBAY_VAPID_KEY. With another key, whoever
/// wished to be told must wish it anew.
#[derive(Debug, clap::Args)]
pub struct PushKey {}

impl PushKey {
    /// Runs the command.
    pub fn run(&self) -> anyhow::Result<()> {
        out!("{}", VapidKey::generate()?);
        Ok(())
    }
}
