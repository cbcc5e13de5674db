//! Which representation a reader takes (RFC 9110, 12.5.1): a plain reading of `Accept`, without weights.

use axum::http::{HeaderMap, header};

use crate::ApiError;

/// The first of `offered` that the request takes; the first of all where it says nothing. Whoever takes
/// anything of its kind (`*/*`, `application/*`) takes it, and parameters but `version` are passed over.
///
/// # Errors
/// [`ApiError::NotAcceptable`] where it takes none of them.
pub(super) fn choose<'a>(
    headers: &HeaderMap,
    offered: &[&'a str],
    versions: &[&str],
) -> Result<&'a str, ApiError> {
    let asked: Vec<&str> = headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|list| list.split(','))
        .map(str::trim)
        .filter(|range| !range.is_empty())
        .collect();
    let takes = |range: &str, offer: &str| {
        let mut parts = range.split(';').map(str::trim);
        let kind = parts.next().unwrap_or_default();
        let offer = offer.split(';').next().unwrap_or_default();
        let family = offer.split('/').next().unwrap_or_default();
        let is_kind = kind == "*/*"
            || kind.eq_ignore_ascii_case(offer)
            || kind.strip_suffix("/*").is_some_and(|f| f == family);
        let mut version = parts.filter_map(|part| part.strip_prefix("version="));
        is_kind && version.all(|version| versions.contains(&version.trim_matches('"')))
    };
    let first = offered.first().copied().unwrap_or_default();
    if asked.is_empty() {
        return Ok(first);
    }
    // In the reader's order: who names a kind before `*/*` prefers it.
    asked
        .iter()
        .find_map(|range| offered.iter().copied().find(|offer| takes(range, offer)))
        .ok_or_else(|| ApiError::NotAcceptable(offered.join(", ")))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn a_reader_gets_what_it_takes_or_is_told() {
        let cds = ["application/vnd.cds+json;version=1.1", "application/json"];
        let chosen = |accept: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, HeaderValue::from_str(accept).unwrap());
            choose(&headers, &cds, &["1.1", "1.0"]).ok()
        };
        assert_eq!(choose(&HeaderMap::new(), &cds, &[]).unwrap(), cds[0]);
        for (accept, offer) in [
            ("*/*", Some(cds[0])),
            ("application/vnd.cds+json;version=1.1", Some(cds[0])),
            ("application/vnd.cds+json; version=\"1.0\"", Some(cds[0])),
            ("application/json", Some(cds[1])),
            ("text/html, application/xml;q=0.9, */*;q=0.8", Some(cds[0])),
            ("application/vnd.cds+json;version=9.0", None),
            ("text/html", None),
        ] {
            assert_eq!(chosen(accept), offer, "{accept}");
        }
    }
}
