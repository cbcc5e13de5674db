//! A list that is told in parts.

use super::Ask;
use super::params::Part;

/// The `Link` header (RFC 8288) that leads to the next part; nothing where there is none.
pub(super) fn next_link(ask: &Ask, part: Part, next: Option<usize>) -> Option<String> {
    let offset = next?;
    Some(format!("<{}>; rel=\"next\"", ask.link(offset, part.limit)))
}
