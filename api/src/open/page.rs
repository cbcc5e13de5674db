//! Lists that are told in parts.

use axum::http::header;
use domain::Timestamp;
use store::open_data::OpenAsk;

use super::ids::minute;
use super::params::Part;
use super::{Answer, Ask};

impl Ask {
    /// A part of what ended or happened from `from` to `to`, as the database is asked for it. What is of this very
    /// minute waits for the next: its time cannot be rounded yet.
    pub(super) fn past<'a>(
        &'a self,
        lots: Option<&'a [String]>,
        bay: Option<&'a str>,
        (from, to): (Timestamp, Timestamp),
        part: Part,
    ) -> OpenAsk<'a> {
        OpenAsk {
            city: &self.app.city.code,
            lots,
            bay,
            from,
            to: to.min(minute(self.now)).max(from),
            // One more tells whether there is a next part.
            limit: i64::try_from(part.limit + 1).unwrap_or(i64::MAX),
            offset: i64::try_from(part.offset).unwrap_or(i64::MAX),
        }
    }
}

/// Cuts what is one more than was asked for, and says where the next part begins.
pub(super) fn next_of<T>(found: &mut Vec<T>, part: Part) -> Option<usize> {
    let is_more = found.len() > part.limit;
    found.truncate(part.limit);
    is_more.then_some(part.offset + part.limit)
}

impl Answer {
    /// With the `Link` header (RFC 8288) that leads to the next part, where there is one.
    pub(super) fn with_next(self, ask: &Ask, part: Part, next: Option<usize>) -> Self {
        match next {
            Some(offset) => {
                let link = format!("<{}>; rel=\"next\"", ask.link(offset, part.limit));
                self.with(header::LINK, link)
            }
            None => self,
        }
    }
}
