//! Tables for spreadsheets, as RFC 4180 has them: <https://www.rfc-editor.org/rfc/rfc4180>.

use domain::board::LotSummary;
use domain::place::{Amenities, VehicleClass};

use super::{Answer, Ask};
use crate::ApiError;
use crate::csv::line;

fn table(ask: &Ask, rows: impl IntoIterator<Item = Vec<String>>) -> Answer {
    let mut out = String::new();
    line(&mut out, ask.feed.fields.iter().copied());
    for row in rows {
        line(&mut out, row.iter().map(String::as_str));
    }
    Answer::new(ask, out.into_bytes())
}

/// `/open/csv/lots.csv`
pub(super) async fn lots(ask: &Ask) -> Result<Answer, ApiError> {
    let count = |lot: &LotSummary, class, accessible, charging| {
        let wanted = Amenities {
            accessible,
            charging,
        };
        let found = lot.having(class, wanted).unwrap_or_default();
        found.capacity.to_string()
    };
    let rows = ask.city.lots.iter().map(|known| {
        let lot = &known.lot;
        vec![
            lot.code.clone(),
            lot.name.clone(),
            lot.kind.to_string(),
            lot.ward.clone(),
            known.zone.clone(),
            known.operator_name.clone(),
            lot.position[0].to_string(),
            lot.position[1].to_string(),
            lot.capacity.to_string(),
            count(lot, Some(VehicleClass::Car), false, false),
            count(lot, Some(VehicleClass::Motorbike), false, false),
            count(lot, None, true, false),
            count(lot, None, false, true),
            known.ward.clone(),
            known.operator.clone(),
        ]
    });
    Ok(table(ask, rows))
}

/// `/open/csv/live.csv`
pub(super) async fn live(ask: &Ask) -> Result<Answer, ApiError> {
    let rows = ask.city.lots.iter().map(|known| {
        let lot = &known.lot;
        vec![
            lot.code.clone(),
            lot.capacity.to_string(),
            lot.occupied.to_string(),
            lot.free.to_string(),
            lot.unknown.to_string(),
            lot.updated_at.map(super::instant).unwrap_or_default(),
        ]
    });
    Ok(table(ask, rows))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_that_would_break_a_line_are_quoted() {
        let mut out = String::new();
        line(&mut out, ["a", "b,c", "say \"no\"", "-1", "=1+1", "-x"]);
        assert_eq!(out, "a,\"b,c\",\"say \"\"no\"\"\",-1,\"'=1+1\",\"'-x\"\r\n");
    }
}
