//! ChirpStack v4 in JSON: topic `application/{application}/device/{dev_eui}/event/up`.

use chrono::{DateTime, Utc};
use serde::Deserialize;

use super::{Content, Reception, Unwrapped, base64, heard_at, json};
use crate::Refusal;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Message {
    time: Option<DateTime<Utc>>,
    device_info: DeviceInfo,
    /// Left out when it is 0, as protocol buffers do.
    #[serde(default)]
    f_cnt: i64,
    f_port: Option<u8>,
    data: Option<String>,
    #[serde(default)]
    rx_info: Vec<Reception>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DeviceInfo {
    dev_eui: String,
}

pub(super) fn unwrap(topic_device: &str, payload: &[u8]) -> Result<Unwrapped, Refusal> {
    let message: Message = json(payload)?;
    if !message
        .device_info
        .dev_eui
        .eq_ignore_ascii_case(topic_device)
    {
        return Err(Refusal::undecodable(
            "the message names another device than its topic",
        ));
    }
    // The message's time is the server's, or before that a gateway's, whichever it knows.
    let server = message
        .rx_info
        .iter()
        .filter_map(|reception| reception.server_time)
        .min()
        .or(message.time);
    let at = heard_at(&message.rx_info, server)
        .ok_or_else(|| Refusal::undecodable("the message has no time"))?;
    let f_port = message.f_port.filter(|port| *port > 0);
    Ok(Unwrapped {
        device: topic_device.to_ascii_lowercase(),
        at,
        seq: message.f_cnt,
        content: Content::LoRaWan {
            f_port: f_port.ok_or_else(|| Refusal::no_occupancy("a message to the network only"))?,
            payload: base64(message.data.as_deref().unwrap_or_default())?,
        },
    })
}
