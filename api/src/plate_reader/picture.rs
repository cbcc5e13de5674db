//! A picture that came from outside, as shades of grey.

use std::io::Cursor;

use domain::exemption::ScanKind;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits, imageops};

/// The most pixels that are decoded: 24 million are some 70 MB for the moment that it takes.
const PIXELS_MAX: u64 = 24_000_000;
/// The longest side that is looked at: with more, a plate is not read better, but slower.
const SIDE_MAX: u32 = 1600;

/// Shades of grey, row by row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Grey {
    pub(super) width: usize,
    pub(super) height: usize,
    /// 0 is black.
    pub(super) shades: Vec<u8>,
}

impl Grey {
    /// The shade at a place; beyond the edge, that of the edge.
    pub(super) fn at(&self, x: isize, y: isize) -> u8 {
        let inside = |at: isize, length: usize| {
            usize::try_from(at)
                .unwrap_or(0)
                .min(length.saturating_sub(1))
        };
        let (x, y) = (inside(x, self.width), inside(y, self.height));
        self.shades
            .get(y * self.width + x)
            .copied()
            .unwrap_or(u8::MAX)
    }

    /// The shade between four pixels.
    pub(super) fn between(&self, x: f32, y: f32) -> f32 {
        let (left, top) = (x.floor(), y.floor());
        let (across, down) = (x - left, y - top);
        let shade =
            |dx: isize, dy: isize| f32::from(self.at(left as isize + dx, top as isize + dy));
        let upper = shade(0, 0) * (1.0 - across) + shade(1, 0) * across;
        let lower = shade(0, 1) * (1.0 - across) + shade(1, 1) * across;
        upper * (1.0 - down) + lower * down
    }

    /// With dark and bright exchanged: blue plates have bright letters.
    pub(super) fn inverted(&self) -> Self {
        Self {
            shades: self.shades.iter().map(|shade| u8::MAX - shade).collect(),
            ..*self
        }
    }
}

/// The kind of a picture by its first bytes, if it is one that we take.
pub(super) fn kind(bytes: &[u8]) -> Option<ImageFormat> {
    match ScanKind::of(bytes)? {
        ScanKind::Jpeg => Some(ImageFormat::Jpeg),
        ScanKind::Png => Some(ImageFormat::Png),
        ScanKind::Webp => Some(ImageFormat::WebP),
        ScanKind::Pdf => None,
    }
}

/// A picture upright, in grey, at a size that is good to look at; nothing where it cannot be decoded or has
/// more pixels than may be.
pub(super) fn decode(bytes: &[u8]) -> Option<Grey> {
    let format = kind(bytes)?;
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut limits = Limits::default();
    limits.max_alloc = Some(PIXELS_MAX * 8);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().ok()?;
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > PIXELS_MAX {
        return None;
    }
    let turned = decoder.orientation().ok()?;
    let mut picture = DynamicImage::from_decoder(decoder).ok()?;
    if width.max(height) > SIDE_MAX {
        picture = picture.thumbnail(SIDE_MAX, SIDE_MAX);
    }
    picture.apply_orientation(turned);
    let grey = imageops::grayscale(&picture);
    Some(Grey {
        width: usize::try_from(grey.width()).ok()?,
        height: usize::try_from(grey.height()).ok()?,
        shades: grey.into_raw(),
    })
}
