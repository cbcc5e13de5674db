//! The map, drawn along by a finger or a mouse. What is drawn under the markers moves at once; the address,
//! and with it the list, when it is let go.

use leptos::ev::PointerEvent;
use leptos::prelude::*;

use super::map::{HEIGHT, Map, WIDTH};
use crate::wish::{Section, Wish};

/// A finger that touches a link is never quite still: so many pixels are not a move yet.
#[cfg(feature = "hydrate")]
const STILL_PX: f64 = 6.0;

/// A map that can be drawn along.
#[derive(Clone, Copy)]
pub(super) struct Drag {
    map: Map,
    wish: ReadSignal<Wish>,
    set_wish: WriteSignal<Wish>,
    /// Where it was taken hold of, in pixels, and of what size it is.
    held: StoredValue<Option<Held>>,
    /// How far it has been moved, in the markers' units.
    shift: RwSignal<(f64, f64)>,
}

#[derive(Clone, Copy)]
#[cfg_attr(not(feature = "hydrate"), allow(dead_code))]
struct Held {
    at: (f64, f64),
    size: (f64, f64),
    section: Section,
    to: Option<Section>,
}

impl Drag {
    pub(super) fn new(map: Map, wish: ReadSignal<Wish>, set_wish: WriteSignal<Wish>) -> Self {
        Self {
            map,
            wish,
            set_wish,
            held: StoredValue::new(None),
            shift: RwSignal::new((0.0, 0.0)),
        }
    }

    /// What of the markers' drawing is seen, for `viewBox`.
    pub(super) fn view_box(self) -> String {
        let (x, y) = self.shift.get();
        format!("{x:.0} {y:.0} {WIDTH} {HEIGHT}")
    }

    #[cfg(feature = "hydrate")]
    pub(super) fn take(self, event: &PointerEvent) {
        let frame = frame(event);
        let section = self.wish.with_untracked(|wish| wish.section);
        // All of the city cannot be moved; the second finger is not the first.
        let held = section.zip(frame).filter(|_| event.is_primary());
        self.held.set_value(held.map(|(section, frame)| Held {
            at: (event.client_x().into(), event.client_y().into()),
            size: (
                f64::from(frame.client_width()).max(1.0),
                f64::from(frame.client_height()).max(1.0),
            ),
            section,
            to: None,
        }));
    }

    #[cfg(feature = "hydrate")]
    pub(super) fn pull(self, event: &PointerEvent) {
        let Some(mut held) = self.held.get_value() else {
            return;
        };
        let (x, y) = (
            f64::from(event.client_x()) - held.at.0,
            f64::from(event.client_y()) - held.at.1,
        );
        if held.to.is_none() {
            if x.hypot(y) < STILL_PX {
                return;
            }
            // From here on it is no touch of a link.
            if let Some(frame) = frame(event) {
                let _ = frame.set_pointer_capture(event.pointer_id());
            }
        }
        let part = (-x / held.size.0, -y / held.size.1);
        held.to = self.map.moved(Some(held.section), part);
        let (from, to) = (
            self.map.window(Some(held.section)),
            self.map.window(held.to),
        );
        self.shift.set(from.apart(to));
        super::show_section(to);
        self.held.set_value(Some(held));
    }

    #[cfg(feature = "hydrate")]
    pub(super) fn let_go(self) {
        let held = self.held.get_value();
        self.held.set_value(None);
        if let Some(to) = held.and_then(|held| held.to) {
            self.set_wish.update(|wish| wish.section = Some(to));
            self.shift.set((0.0, 0.0));
        }
    }

    #[cfg(not(feature = "hydrate"))]
    pub(super) fn take(self, _: &PointerEvent) {
        let _ = (self.map, self.wish, self.set_wish, self.held);
    }

    #[cfg(not(feature = "hydrate"))]
    pub(super) fn pull(self, _: &PointerEvent) {}

    #[cfg(not(feature = "hydrate"))]
    pub(super) fn let_go(self) {}
}

#[cfg(feature = "hydrate")]
fn frame(event: &PointerEvent) -> Option<web_sys::Element> {
    use wasm_bindgen::JsCast;
    event.current_target()?.dyn_into().ok()
}
