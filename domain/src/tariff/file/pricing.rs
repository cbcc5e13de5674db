//! Blocks and windows of a tariff file.

use super::super::{Block, Part, Pricing, Spot, Window};
use super::fields::{Faults, Fields, SpotLines};
use super::{time, unnamed};
use crate::money::Vnd;

/// Reads `blocks` or `windows`, of which there is one.
pub(super) fn read(
    fields: &mut Fields<'_>,
    spot: &Spot,
    lines: &mut SpotLines,
    faults: &mut Faults<'_>,
) -> Pricing {
    let blocks = read_blocks(fields, spot, lines, faults);
    let windows = fields.tables("windows", faults);
    if windows.is_empty() {
        return Pricing::Blocks(blocks);
    }
    if !blocks.is_empty() {
        let what = format!(
            "{}there are blocks and windows: blocks belong into a window then",
            fields.context()
        );
        faults.add(fields.span(), what);
    }
    let windows = windows.into_iter().enumerate();
    Pricing::Windows(
        windows
            .filter_map(|(index, fields)| {
                read_window(fields, &spot.with(Part::Window(index)), lines, faults)
            })
            .collect(),
    )
}

fn read_window(
    mut fields: Fields<'_>,
    spot: &Spot,
    lines: &mut SpotLines,
    faults: &mut Faults<'_>,
) -> Option<Window> {
    fields.note_lines(lines, spot, faults);
    let name_vi = fields.text("vi", faults);
    let name_en = fields.text("en", faults);
    let from = fields.need("from", faults);
    let to = fields.need("to", faults);
    let (from, to) = (
        from.and_then(|value| time::of_day(value, faults)),
        to.and_then(|value| time::of_day(value, faults)),
    );
    let blocks = read_blocks(&mut fields, spot, lines, faults);
    let rate_vnd = if blocks.is_empty() {
        fields.needed_money("rate_vnd", faults)
    } else {
        Some(fields.money("rate_vnd", faults).unwrap_or(Vnd::ZERO))
    };
    fields.finish(faults);
    Some(Window {
        name_vi: name_vi.unwrap_or_else(unnamed),
        name_en: name_en.unwrap_or_else(unnamed),
        from: from?,
        to: to?,
        rate_vnd: rate_vnd.unwrap_or(Vnd::ZERO),
        blocks,
    })
}

/// Reads `blocks`, each of which says where it begins, so that a slip shows as a gap or overlap.
fn read_blocks(
    fields: &mut Fields<'_>,
    spot: &Spot,
    lines: &mut SpotLines,
    faults: &mut Faults<'_>,
) -> Vec<Block> {
    let tables = fields.tables("blocks", faults);
    let mut blocks: Vec<Block> = Vec::with_capacity(tables.len());
    for (index, mut fields) in tables.into_iter().enumerate() {
        let spot = spot.with(Part::Block(index));
        fields.note_lines(lines, &spot, faults);
        let begin = fields.number("from_min", faults).unwrap_or(0);
        let before = blocks.last().map_or(Some(0), |block| block.until_min);
        if let Some(end) = before.filter(|end| *end != begin) {
            let (number, length) = (index + 1, begin.abs_diff(end));
            let ended = match index {
                0 => "the stay begins at 0".to_owned(),
                _ => format!("block {index} ends at {end}"),
            };
            let what = if begin > end { "a gap" } else { "an overlap" };
            let context = fields.context();
            let what = format!(
                "{context}block {number} starts at {begin} but {ended}: {what} of {length} minutes"
            );
            faults.add(fields.span(), what);
        }
        let until_min = fields.number("until_min", faults);
        let (rate_vnd, per_min) = (
            fields.needed_money("rate_vnd", faults).unwrap_or(Vnd::ZERO),
            fields
                .need("per_min", faults)
                .and_then(|_| fields.number("per_min", faults)),
        );
        blocks.push(Block {
            until_min,
            min_vnd: fields.money("min_vnd", faults),
            max_vnd: fields.money("max_vnd", faults),
            // Where it could not be read, that was told; an hour gives no further fault.
            ..Block::open(rate_vnd, per_min.unwrap_or(60))
        });
        fields.finish(faults);
    }
    blocks
}
