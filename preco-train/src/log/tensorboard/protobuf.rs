//! As much of protobuf's wire format as event files need: numbers, text and messages inside messages.
//!
//! Source: <https://protobuf.dev/programming-guides/encoding/>. A field is its tag, `number << 3 | wire type`, and its
//! value; fields with the value zero may be left out, and a message ends with its bytes.

/// A message being written.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Message {
    bytes: Vec<u8>,
}

impl Message {
    /// A message without fields.
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// A whole number that is not negative.
    pub(super) fn number(mut self, field: u32, value: u64) -> Self {
        self.tag(field, 0);
        varint(&mut self.bytes, value);
        self
    }

    /// A number of 64 bits.
    pub(super) fn double(mut self, field: u32, value: f64) -> Self {
        self.tag(field, 1);
        self.bytes.extend(value.to_le_bytes());
        self
    }

    /// A number of 32 bits.
    pub(super) fn float(mut self, field: u32, value: f32) -> Self {
        self.tag(field, 5);
        self.bytes.extend(value.to_le_bytes());
        self
    }

    /// Text, or bytes.
    pub(super) fn text(mut self, field: u32, value: impl AsRef<[u8]>) -> Self {
        self.tag(field, 2);
        varint(&mut self.bytes, value.as_ref().len() as u64);
        self.bytes.extend(value.as_ref());
        self
    }

    /// A message inside this one.
    pub(super) fn message(self, field: u32, value: Self) -> Self {
        self.text(field, value.bytes)
    }

    /// The message's bytes.
    pub(super) fn finish(self) -> Vec<u8> {
        self.bytes
    }

    fn tag(&mut self, field: u32, wire_type: u64) {
        varint(&mut self.bytes, u64::from(field) << 3 | wire_type);
    }
}

/// Seven bits a byte, the lowest first; the top bit says that more follow.
fn varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_grow_with_each_seven_bits() {
        let encoded = |value| {
            let mut bytes = Vec::new();
            varint(&mut bytes, value);
            bytes
        };
        assert_eq!(encoded(0), [0]);
        assert_eq!(encoded(127), [0x7F]);
        assert_eq!(encoded(128), [0x80, 0x01]);
        // The guide's own example.
        assert_eq!(encoded(150), [0x96, 0x01]);
        assert_eq!(encoded(16_384), [0x80, 0x80, 0x01]);
        assert_eq!(encoded(u64::MAX), [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01]);
    }

    #[test]
    fn fields_are_tag_and_value() {
        // The guide's examples: 1: 150, 2: "testing", and the first inside field 3.
        let number = Message::new().number(1, 150);
        assert_eq!(number.clone().finish(), [0x08, 0x96, 0x01]);
        assert_eq!(Message::new().text(2, "testing").finish(), b"\x12\x07testing");
        assert_eq!(Message::new().message(3, number).finish(), [0x1A, 0x03, 0x08, 0x96, 0x01]);
        assert_eq!(Message::new().float(2, 1.0).finish(), [0x15, 0, 0, 0x80, 0x3F]);
        assert_eq!(Message::new().double(1, -2.0).finish(), [0x09, 0, 0, 0, 0, 0, 0, 0, 0xC0]);
        assert_eq!(Message::new().number(16, 1).finish(), [0x80, 0x01, 0x01]);
    }
}
