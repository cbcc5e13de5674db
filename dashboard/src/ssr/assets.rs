//! What pages load: embedded files, and the bundle from its folder.

use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use axum::Extension;
use axum::body::Bytes;
use axum::extract::RawQuery;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};

const STYLE: &str = include_str!("../../static/style.css");
const LIVE: &str = include_str!("../../static/live.js");
const PHONE: &str = include_str!("../../static/phone.js");
const OFFLINE: &str = include_str!("../../static/offline.js");
const REMIND: &str = include_str!("../../static/remind.js");
const SCAN: &str = include_str!("../../static/scan.js");
const BOOT: &str = include_str!("../../static/boot.js");
const PLATE: &str = include_str!("../../static/plate.js");
const VERIFY: &str = include_str!("../../static/verify.js");
const ICON: &str = include_str!("../../static/icon.svg");

/// Addresses carry this, so that a browser may keep what it has for a year.
static VERSION: LazyLock<String> = LazyLock::new(|| {
    short_hash(
        [
            STYLE, LIVE, PHONE, OFFLINE, REMIND, SCAN, PLATE, BOOT, VERIFY, ICON,
        ]
        .concat()
        .as_bytes(),
    )
});

const FOR_A_YEAR: &str = "public, max-age=31536000, immutable";

/// For how long a browser may keep a file. What it asks for by another version's address it gets as well, but does
/// not keep: while a city is upgraded, a page of one process asks another for its files.
fn kept(RawQuery(query): &RawQuery, version: &str) -> &'static str {
    let asked = query.as_deref().and_then(|query| query.strip_prefix("v="));
    match asked {
        Some(asked) if asked != version => "no-store",
        _ => FOR_A_YEAR,
    }
}

/// The address of an embedded file.
pub(crate) fn url(name: &str) -> String {
    format!("/static/{name}?v={}", *VERSION)
}

pub(crate) async fn embedded(
    axum::extract::Path(name): axum::extract::Path<String>,
    query: RawQuery,
) -> Response {
    let (kind, text) = match name.as_str() {
        "style.css" => ("text/css; charset=utf-8", STYLE),
        "live.js" => ("text/javascript; charset=utf-8", LIVE),
        "phone.js" => ("text/javascript; charset=utf-8", PHONE),
        "offline.js" => ("text/javascript; charset=utf-8", OFFLINE),
        "remind.js" => ("text/javascript; charset=utf-8", REMIND),
        "scan.js" => ("text/javascript; charset=utf-8", SCAN),
        "boot.js" => ("text/javascript; charset=utf-8", BOOT),
        "plate.js" => ("text/javascript; charset=utf-8", PLATE),
        "verify.js" => ("text/javascript; charset=utf-8", VERIFY),
        "icon.svg" => ("image/svg+xml", ICON),
        _ => return StatusCode::NOT_FOUND.into_response(),
    };
    (
        [
            (header::CONTENT_TYPE, kind),
            (header::CACHE_CONTROL, kept(&query, &VERSION)),
        ],
        text,
    )
        .into_response()
}

/// The browser's bundle, read once.
#[derive(Debug)]
pub(crate) struct Bundle {
    files: Vec<(&'static str, Bytes, Bytes)>,
    version: String,
}

impl Bundle {
    /// The bundle in a folder, if it is there and whole.
    pub(crate) fn load(folder: &Path) -> Option<Self> {
        let read = |path: PathBuf| std::fs::read(path).ok().map(Bytes::from);
        let mut files = Vec::new();
        let mut all = Vec::new();
        for name in [
            "clearbay.js",
            "clearbay_bg.wasm",
            "verifier.js",
            "verifier_bg.wasm",
        ] {
            let (plain, gzip) = (
                read(folder.join(name))?,
                read(folder.join(format!("{name}.gz")))?,
            );
            all.extend_from_slice(&plain);
            files.push((name, plain, gzip));
        }
        Some(Self {
            files,
            version: short_hash(&all),
        })
    }

    /// The address of one of its files.
    pub(crate) fn url(&self, name: &str) -> String {
        format!("/pkg/{name}?v={}", self.version)
    }
}

pub(crate) async fn bundled(
    Extension(bundle): Extension<Arc<Option<Bundle>>>,
    axum::extract::Path(name): axum::extract::Path<String>,
    query: RawQuery,
    headers: HeaderMap,
) -> Response {
    let found = bundle.as_ref().as_ref().and_then(|bundle| {
        let file = bundle.files.iter().find(|file| file.0 == name)?;
        Some((file, kept(&query, &bundle.version)))
    });
    let Some(((name, plain, gzip), kept)) = found else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let kind = if name.ends_with(".wasm") {
        "application/wasm"
    } else {
        "text/javascript; charset=utf-8"
    };
    let takes_gzip = headers
        .get(header::ACCEPT_ENCODING)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.contains("gzip"));
    let shared = [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, kept),
        (header::VARY, "accept-encoding"),
    ];
    if takes_gzip {
        (shared, [(header::CONTENT_ENCODING, "gzip")], gzip.clone()).into_response()
    } else {
        (shared, plain.clone()).into_response()
    }
}

fn short_hash(bytes: &[u8]) -> String {
    api::secret::sha256(bytes)[..6]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
