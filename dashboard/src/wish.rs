//! What a driver looks for, and the address that says so: a view of the finder is a link.

use domain::board::LotSummary;
use domain::offer::LENGTHS;
use domain::place::{Amenities, LotKind, Position, VehicleClass};
use serde::{Deserialize, Serialize};

/// In how many minutes one may arrive.
pub(crate) const ARRIVALS: [u32; 4] = [0, 15, 30, 60];
/// How often the map is doubled at most.
pub(crate) const ZOOM_MAX: u8 = 4;
/// How many characters are searched for at most.
#[cfg(feature = "ssr")]
const WORDS_MAX: usize = 80;

/// A part of the map.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Section {
    /// How often it is doubled; 0 shows the whole city.
    pub zoom: u8,
    /// Its middle.
    pub at: Position,
}

/// What a driver looks for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Wish {
    /// Words of a street, a ward or a car park, as they were typed.
    pub words: String,
    /// Only this kind of lot.
    pub kind: Option<LotKind>,
    /// Only bays for this vehicle.
    pub class: Option<VehicleClass>,
    /// Only bays that have all of these.
    pub amenities: Amenities,
    /// For how long the price is asked for.
    pub minutes: u32,
    /// In how many minutes the driver will be there.
    pub arrives_in: u32,
    /// Only what lies in this part of the map.
    pub section: Option<Section>,
    /// Where the driver is. It stays in the browser.
    #[serde(skip)]
    pub here: Option<Position>,
}

impl Default for Wish {
    fn default() -> Self {
        Self {
            words: String::new(),
            kind: None,
            class: None,
            amenities: Amenities::default(),
            minutes: LENGTHS[0],
            arrives_in: ARRIVALS[0],
            section: None,
            here: None,
        }
    }
}

impl Wish {
    /// What an address asks for. What it says that means nothing is passed over: an old link, or one
    /// mistyped, still finds parking.
    #[cfg(feature = "ssr")]
    pub(crate) fn read(query: &[(String, String)]) -> Self {
        let value = |name: &str| {
            let pair = query.iter().find(|(key, _)| key == name);
            pair.map(|(_, value)| value.as_str())
        };
        let one_of = |name: &str, known: &[u32]| {
            let asked = value(name).and_then(|text| text.parse().ok());
            asked.filter(|asked| known.contains(asked))
        };
        Self {
            words: value("q")
                .unwrap_or_default()
                .trim()
                .chars()
                .take(WORDS_MAX)
                .collect(),
            kind: value("kind").and_then(LotKind::from_code),
            class: value("class").and_then(VehicleClass::from_code),
            amenities: Amenities {
                accessible: value("accessible") == Some("1"),
                charging: value("charging") == Some("1"),
            },
            minutes: one_of("minutes", &LENGTHS).unwrap_or(LENGTHS[0]),
            arrives_in: one_of("in", &ARRIVALS).unwrap_or(ARRIVALS[0]),
            section: section(value("zoom"), value("at")),
            here: None,
        }
    }

    /// All that differs from [`Wish::default`], by the name that an address gives it. Where the driver
    /// is stays in the browser.
    pub(crate) fn fields(&self) -> Vec<(&'static str, String)> {
        let usual = Self::default();
        let flag = |is: bool| is.then(|| "1".to_owned());
        let number = |is: u32, usual: u32| (is != usual).then(|| is.to_string());
        let section = self.section;
        let fields = [
            (
                "q",
                (!self.words.is_empty()).then(|| self.words.trim().to_owned()),
            ),
            ("class", self.class.map(|class| class.to_string())),
            ("accessible", flag(self.amenities.accessible)),
            ("charging", flag(self.amenities.charging)),
            ("kind", self.kind.map(|kind| kind.to_string())),
            ("minutes", number(self.minutes, usual.minutes)),
            ("in", number(self.arrives_in, usual.arrives_in)),
            ("zoom", section.map(|section| section.zoom.to_string())),
            (
                "at",
                section.map(|Section { at: [lon, lat], .. }| format!("{lon:.4},{lat:.4}")),
            ),
        ];
        let said = fields.into_iter();
        said.filter_map(|(name, value)| Some((name, value?)))
            .collect()
    }

    /// The finder's address with this wish.
    pub(crate) fn href(&self) -> String {
        let pairs = self.fields().into_iter();
        let pairs: Vec<String> = pairs
            .map(|(name, value)| format!("{name}={}", encoded(&value)))
            .collect();
        match pairs.is_empty() {
            true => "/".to_owned(),
            false => format!("/?{}", pairs.join("&")),
        }
    }

    /// The same with a change.
    pub(crate) fn with(&self, change: impl FnOnce(&mut Self)) -> Self {
        let mut wish = self.clone();
        change(&mut wish);
        wish
    }

    /// Whether a lot may do, wherever it lies.
    pub(crate) fn holds(&self, lot: &LotSummary) -> bool {
        let text = plain(&format!("{} {} {}", lot.code, lot.name, lot.ward));
        self.kind.is_none_or(|kind| lot.kind == kind)
            && lot.having(self.class, self.amenities).is_some()
            && plain(&self.words)
                .split_whitespace()
                .all(|word| text.contains(word))
    }

    /// The lot with the counts of the bays in question.
    pub(crate) fn seen(&self, lot: &LotSummary) -> LotSummary {
        let mut lot = lot.clone();
        if let Some(count) = lot.having(self.class, self.amenities) {
            lot.capacity = count.capacity;
            lot.occupied = count.occupied;
            lot.free = count.free;
            lot.unknown = count.unknown;
        }
        lot
    }

    /// Whether something is chosen that is not among the first choices.
    pub(crate) fn is_particular(&self) -> bool {
        let usual = Self::default();
        (self.kind, self.minutes, self.arrives_in) != (usual.kind, usual.minutes, usual.arrives_in)
    }
}

#[cfg(feature = "ssr")]
fn section(zoom: Option<&str>, at: Option<&str>) -> Option<Section> {
    let zoom: u8 = zoom?.parse().ok()?;
    let (lon, lat) = at?.split_once(',')?;
    let at = [lon.parse().ok()?, lat.parse().ok()?];
    let is_somewhere = at.iter().all(|degrees: &f64| degrees.abs() <= 180.0);
    ((1..=ZOOM_MAX).contains(&zoom) && is_somewhere).then_some(Section { zoom, at })
}

/// A text as it stands in an address (RFC 3986, 2.1).
pub(crate) fn encoded(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b',' => {
            char::from(byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}

/// A text in small letters without the marks of Vietnamese: few type them into a search.
fn plain(text: &str) -> String {
    let bare = |letter: char| match letter {
        'à' | 'á' | 'ả' | 'ã' | 'ạ' | 'ă' | 'ằ' | 'ắ' | 'ẳ' | 'ẵ' | 'ặ' | 'â' | 'ầ' | 'ấ' | 'ẩ'
        | 'ẫ' | 'ậ' => Some('a'),
        'è' | 'é' | 'ẻ' | 'ẽ' | 'ẹ' | 'ê' | 'ề' | 'ế' | 'ể' | 'ễ' | 'ệ' => {
            Some('e')
        }
        'ì' | 'í' | 'ỉ' | 'ĩ' | 'ị' => Some('i'),
        'ò' | 'ó' | 'ỏ' | 'õ' | 'ọ' | 'ô' | 'ồ' | 'ố' | 'ổ' | 'ỗ' | 'ộ' | 'ơ' | 'ờ' | 'ớ' | 'ở'
        | 'ỡ' | 'ợ' => Some('o'),
        'ù' | 'ú' | 'ủ' | 'ũ' | 'ụ' | 'ư' | 'ừ' | 'ứ' | 'ử' | 'ữ' | 'ự' => {
            Some('u')
        }
        'ỳ' | 'ý' | 'ỷ' | 'ỹ' | 'ỵ' => Some('y'),
        'đ' => Some('d'),
        // Written apart, as some keyboards do.
        '\u{300}'..='\u{36f}' => None,
        other => Some(other),
    };
    text.to_lowercase().chars().filter_map(bare).collect()
}

#[cfg(all(test, feature = "ssr"))]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Wish {
        let owned = pairs.iter();
        let owned = owned.map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        Wish::read(&owned.collect::<Vec<_>>())
    }

    #[test]
    fn a_view_is_a_link() {
        assert_eq!(Wish::default().href(), "/");
        let wish = Wish {
            words: "Bà Triệu & Co".to_owned(),
            kind: Some(LotKind::Street),
            class: Some(VehicleClass::Car),
            amenities: Amenities {
                accessible: true,
                charging: true,
            },
            minutes: 240,
            arrives_in: 30,
            section: Some(Section {
                zoom: 2,
                at: [105.85, 21.03],
            }),
            here: None,
        };
        let fields = wish.fields();
        let fields: Vec<_> = fields.iter().map(|(k, v)| (*k, v.as_str())).collect();
        assert_eq!(read(&fields), wish);
        assert_eq!(
            wish.href(),
            "/?q=B%C3%A0%20Tri%E1%BB%87u%20%26%20Co&class=car&accessible=1&charging=1\
             &kind=street&minutes=240&in=30&zoom=2&at=105.8500,21.0300"
        );
        // Where the driver is goes nowhere.
        let here = Wish::default().with(|wish| wish.here = Some([105.85, 21.03]));
        assert_eq!(here.href(), "/");
    }

    #[test]
    fn what_means_nothing_is_passed_over() {
        for pairs in [
            [("class", "tank"), ("minutes", "7")],
            [("zoom", "99"), ("at", "105.85,21.03")],
            [("zoom", "2"), ("at", "here")],
            [("zoom", "2"), ("at", "NaN,21.03")],
            [("accessible", "0"), ("in", "-1")],
        ] {
            assert_eq!(read(&pairs), Wish::default(), "{pairs:?}");
        }
        let long = "a".repeat(1_000);
        assert_eq!(read(&[("q", &long)]).words.len(), WORDS_MAX);
    }

    #[test]
    fn nobody_needs_to_type_marks() {
        assert_eq!(plain("Phố Bà Triệu, Đội Cấn"), "pho ba trieu, doi can");
        assert_eq!(plain("Ho\u{302}\u{300} Ta\u{302}y"), "ho tay");
    }
}
