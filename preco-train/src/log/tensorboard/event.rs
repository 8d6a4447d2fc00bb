//! TensorBoard's events as records of a file.
//!
//! Source of the fields: `event.proto` and `summary.proto` in `tensorboard/compat/proto`. A record is TFRecord's:
//! length, its masked checksum, the event, its masked checksum, all little-endian.

use super::crc32c::masked;
use super::protobuf::Message;

/// What an event says. Field numbers stand in [`Event::message`].
#[derive(Clone, Debug)]
pub(super) enum Event<'a> {
    /// The format, first in each file.
    Version,
    /// A run starts, or continues, with the event's step: older events at that step or beyond count no more.
    Start,
    /// Values by tag.
    Scalars(&'a [(&'a str, f64)]),
    /// A picture as the bytes of a PNG file.
    Image {
        /// The tag.
        tag: &'a str,
        /// Width and height in pixels.
        size: [usize; 2],
        /// The file.
        png: &'a [u8],
    },
}

impl Event<'_> {
    /// The record of this event.
    pub(super) fn record(&self, wall_time: f64, step: u64) -> Vec<u8> {
        framed(&self.message(wall_time, step))
    }

    fn message(&self, wall_time: f64, step: u64) -> Vec<u8> {
        // Steps are signed there; nothing counts that far.
        let event = Message::new().double(1, wall_time).number(2, step.min(i64::MAX as u64));
        let event = match self {
            Self::Version => event.text(3, "brain.Event:2"),
            Self::Start => event.message(7, Message::new().number(1, 1)),
            Self::Scalars(values) => {
                let value = |(tag, value): &(&str, f64)| Message::new().text(1, tag).float(2, *value as f32);
                let summary = values.iter().fold(Message::new(), |summary, pair| summary.message(1, value(pair)));
                event.message(5, summary)
            }
            Self::Image { tag, size: [width, height], png } => {
                // Three channels: red, green, blue.
                let image = Message::new().number(1, *height as u64).number(2, *width as u64).number(3, 3).text(4, png);
                event.message(5, Message::new().message(1, Message::new().text(1, tag).message(4, image)))
            }
        };
        event.finish()
    }
}

fn framed(event: &[u8]) -> Vec<u8> {
    let length = (event.len() as u64).to_le_bytes();
    let mut record = Vec::with_capacity(event.len() + 16);
    record.extend(length);
    record.extend(masked(&length).to_le_bytes());
    record.extend(event);
    record.extend(masked(event).to_le_bytes());
    record
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_length_event_and_their_checksums() {
        let record = framed(b"123456789");
        assert_eq!(record.len(), 8 + 4 + 9 + 4);
        assert_eq!(record[..8], [9, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(record[8..12], masked(&[9, 0, 0, 0, 0, 0, 0, 0]).to_le_bytes());
        assert_eq!(record[12..21], *b"123456789");
        assert_eq!(record[21..], 0xC78A_B0E5_u32.to_le_bytes());
    }

    #[test]
    fn events_have_the_fields_of_the_format() {
        let head = [0x09, 0, 0, 0, 0, 0, 0, 0xF8, 0x3F, 0x10, 0xAC, 0x02];
        let body = |event: Event<'_>| event.message(1.5, 300).strip_prefix(&head).expect("time and step").to_vec();
        assert_eq!(body(Event::Version), b"\x1A\x0Dbrain.Event:2");
        assert_eq!(body(Event::Start), [0x3A, 0x02, 0x08, 0x01]);
        let scalars = [0x2A, 18, 0x0A, 7, 0x0A, 0, 0x15, 0, 0, 0, 0x3F, 0x0A, 7, 0x0A, 0, 0x15, 0, 0, 0x80, 0x3F];
        assert_eq!(body(Event::Scalars(&[("", 0.5), ("", 1.0)])), scalars);
        let image = [0x2A, 16, 0x0A, 14, 0x0A, 1, b't', 0x22, 9, 0x08, 3, 0x10, 2, 0x18, 3, 0x22, 1, 7];
        assert_eq!(body(Event::Image { tag: "t", size: [2, 3], png: &[7] }), image);
    }
}
