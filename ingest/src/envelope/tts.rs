//! The Things Stack v3: topic `v3/{application}@{tenant}/devices/{device}/up`; builds without
//! tenants have no `@`. A device is known by its DevEUI where the message has one.

use chrono::{DateTime, Utc};
use serde::Deserialize;

use super::{Content, Reception, Unwrapped, base64, heard_at, json};
use crate::Refusal;

#[derive(Deserialize)]
struct Message {
    end_device_ids: Ids,
    received_at: Option<DateTime<Utc>>,
    uplink_message: Uplink,
}

#[derive(Deserialize)]
struct Ids {
    device_id: String,
    dev_eui: Option<String>,
}

#[derive(Deserialize)]
struct Uplink {
    f_port: Option<u8>,
    /// Left out when it is 0, as protocol buffers do.
    #[serde(default)]
    f_cnt: i64,
    frm_payload: Option<String>,
    #[serde(default)]
    rx_metadata: Vec<Reception>,
    received_at: Option<DateTime<Utc>>,
}

pub(super) fn unwrap(topic_device: &str, payload: &[u8]) -> Result<Unwrapped, Refusal> {
    let message: Message = json(payload)?;
    if message.end_device_ids.device_id != topic_device {
        return Err(Refusal::undecodable(
            "the message names another device than its topic",
        ));
    }
    let uplink = message.uplink_message;
    let server = uplink.received_at.or(message.received_at);
    let at = heard_at(&uplink.rx_metadata, server)
        .ok_or_else(|| Refusal::undecodable("the message has no time"))?;
    // A message without a port carries commands for the network, not data.
    let f_port = uplink.f_port.filter(|port| *port > 0);
    Ok(Unwrapped {
        device: message
            .end_device_ids
            .dev_eui
            .map_or_else(|| topic_device.to_owned(), |eui| eui.to_ascii_lowercase()),
        at,
        seq: uplink.f_cnt,
        content: Content::LoRaWan {
            f_port: f_port.ok_or_else(|| Refusal::no_occupancy("a message to the network only"))?,
            payload: base64(uplink.frm_payload.as_deref().unwrap_or_default())?,
        },
    })
}
