//! What a case asks for: its `config`, read by type, and refused where the test does not know it.

use serde_json::Value;

use crate::case::Case;

impl Case {
    /// Fails the case where its configuration has a key the test does not read.
    pub fn only_keys(&self, known: &[&str]) {
        let keys = self.config.as_object().into_iter().flat_map(|map| map.keys());
        for key in keys.filter(|key| !known.contains(&key.as_str())) {
            self.fail(format!("config.{key} = {} is not understood by this test", self.config[key]));
        }
    }

    /// Fails the case where its configuration has `key` with a value that is none of `known`. A key that is not there asks
    /// for nothing.
    pub fn only_values(&self, key: &str, known: &[Value]) {
        if let Some(value) = self.config.get(key).filter(|value| !known.contains(value)) {
            self.fail(format!("config.{key} = {value} is not understood by this test"));
        }
    }

    /// Stops the case: it asks for `what`, which the test does not understand.
    pub fn unknown(&self, what: &str) -> ! {
        panic!("{}/{} asks for {what}, which this test does not understand", self.family, self.name)
    }

    /// A number of the configuration.
    pub fn number(&self, key: &str) -> f64 {
        self.config[key].as_f64().unwrap_or_else(|| self.unknown(&format!("{key} = {}", self.config[key])))
    }

    /// A size of the configuration.
    pub fn size(&self, key: &str) -> usize {
        size(&self.config[key]).unwrap_or_else(|| self.unknown(&format!("{key} = {}", self.config[key])))
    }

    /// A list of sizes of the configuration.
    pub fn sizes(&self, key: &str) -> Vec<usize> {
        let sizes = self.config[key].as_array().and_then(|list| list.iter().map(size).collect());
        sizes.unwrap_or_else(|| self.unknown(&format!("{key} = {}", self.config[key])))
    }

    /// A text of the configuration.
    pub fn text(&self, key: &str) -> &str {
        self.config[key].as_str().unwrap_or_else(|| self.unknown(&format!("{key} = {}", self.config[key])))
    }
}

fn size(value: &Value) -> Option<usize> {
    value.as_u64().and_then(|size| size.try_into().ok())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::case::toy;

    #[test]
    fn a_known_key_with_an_unknown_value_fails_the_case() {
        let case = toy();
        case.only_values("edge_policy", &[json!("timm")]);
        case.only_values("absent", &[]);
        case.only_values("embed", &[json!(24), json!(32)]);
        case.leave_out("out", "this test is about values");
        let report = case.finish().expect_err("unknown value");
        assert_eq!(report, "config.embed = 16 is not understood by this test");
    }

    #[test]
    fn the_configuration_is_read_by_type() {
        let case = toy();
        assert_eq!((case.size("embed"), case.text("edge_policy")), (16, "timm"));
        assert_eq!(case.sizes("depths"), [2, 2]);
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| case.size("edge_policy"))).is_err());
        case.finish().expect_err("nothing was compared");
    }
}
