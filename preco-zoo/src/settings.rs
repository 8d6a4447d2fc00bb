//! Where models come from and where they are kept: the hub's own variables, read by us and handed on.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The hub, unless `HF_ENDPOINT` names another.
pub const HUB: &str = "https://huggingface.co";

/// What every fetch needs to know.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// The hub's address. `HF_ENDPOINT`.
    pub endpoint: String,
    /// Who the user is. `HF_TOKEN`, or the file `HF_TOKEN_PATH`, or `token` in `HF_HOME`, unless
    /// `HF_HUB_DISABLE_IMPLICIT_TOKEN`.
    pub token: Option<Token>,
    /// The folder of models, shared with Python's `huggingface_hub`. `HF_HUB_CACHE`, else `hub` in `HF_HOME`, else in
    /// `XDG_CACHE_HOME/huggingface`, else in `~/.cache/huggingface`.
    pub cache: PathBuf,
    /// True where the network may not be used. `HF_HUB_OFFLINE`.
    pub offline: bool,
    /// An address below which published models are looked for before the hub, as folders of their names.
    /// `PRECO_MIRROR`.
    pub mirror: Option<String>,
    /// A file of further published models. `PRECO_REGISTRY`.
    pub registry: Option<PathBuf>,
    /// The longest silence of the other side. `HF_HUB_DOWNLOAD_TIMEOUT`, in seconds.
    pub timeout: Duration,
    /// Attempts after the first that a request, or a stretch of a file without a byte of progress, is worth.
    pub retries: usize,
    /// The pause before the second attempt; each next one is twice as long.
    pub first_pause: Duration,
}

/// A secret: it is sent to the endpoint, and shown to nobody.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// The token in `text`, without blanks around it; `None` where nothing is left.
    pub fn new(text: &str) -> Option<Self> {
        let text = text.trim();
        (!text.is_empty()).then(|| Self(text.to_owned()))
    }

    /// What is sent.
    #[cfg(feature = "hub")]
    pub(crate) fn secret(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

impl Settings {
    /// As the environment says.
    pub fn from_env() -> Self {
        Self::from_variables(|name| std::env::var_os(name).filter(|value| !value.is_empty()))
    }

    /// As `variable` says, which is asked for names of the environment.
    pub fn from_variables(variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let path = |name: &str| variable(name).map(|value| PathBuf::from(expanded(value, &variable)));
        let text = |name: &str| variable(name).and_then(|value| value.into_string().ok());
        let is_on = |name: &str| {
            text(name).is_some_and(|value| ["1", "on", "yes", "true"].contains(&value.to_lowercase().as_str()))
        };
        let caches =
            || path("XDG_CACHE_HOME").or_else(|| Some(path("HOME").or_else(|| path("USERPROFILE"))?.join(".cache")));
        let home =
            path("HF_HOME").or_else(|| Some(caches()?.join("huggingface"))).unwrap_or_else(|| ".huggingface".into());
        let read = |path: &Path| std::fs::read_to_string(path).ok().and_then(|text| Token::new(&text));
        let implicit = || {
            text("HF_TOKEN")
                .or_else(|| text("HUGGING_FACE_HUB_TOKEN"))
                .and_then(|token| Token::new(&token))
                .or_else(|| read(&path("HF_TOKEN_PATH").unwrap_or_else(|| home.join("token"))))
        };
        Self {
            endpoint: text("HF_ENDPOINT").unwrap_or_else(|| HUB.to_owned()).trim_end_matches('/').to_owned(),
            token: if is_on("HF_HUB_DISABLE_IMPLICIT_TOKEN") { None } else { implicit() },
            cache: path("HF_HUB_CACHE").or_else(|| path("HUGGINGFACE_HUB_CACHE")).unwrap_or_else(|| home.join("hub")),
            offline: is_on("HF_HUB_OFFLINE") || is_on("TRANSFORMERS_OFFLINE"),
            mirror: text("PRECO_MIRROR"),
            registry: path("PRECO_REGISTRY"),
            timeout: text("HF_HUB_DOWNLOAD_TIMEOUT")
                .and_then(|seconds| seconds.parse().ok())
                .filter(|seconds| *seconds > 0.0 && *seconds < 86_400.0)
                .map_or(Duration::from_secs(30), Duration::from_secs_f64),
            retries: 4,
            first_pause: Duration::from_millis(500),
        }
    }
}

/// A path as Python's `expanduser` and `expandvars` have it: `~`, `$NAME` and `${NAME}`, where they are known.
fn expanded(value: OsString, variable: &impl Fn(&str) -> Option<OsString>) -> OsString {
    let Some(text) = value.to_str().filter(|text| text.contains(['~', '$'])) else { return value };
    let known = |name: &str| variable(name).and_then(|value| value.into_string().ok());
    let home = text.strip_prefix('~').filter(|rest| rest.is_empty() || rest.starts_with('/'));
    let text = match (home, known("HOME").or_else(|| known("USERPROFILE"))) {
        (Some(rest), Some(home)) => format!("{home}{rest}"),
        _ => text.to_owned(),
    };
    let (mut made, mut rest) = (String::new(), text.as_str());
    while let Some((before, after)) = rest.split_once('$') {
        made += before;
        let (name, next) = match after.strip_prefix('{').and_then(|inner| inner.split_once('}')) {
            Some((name, next)) => (name, next),
            None => {
                let end = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(after.len());
                after.split_at(end)
            }
        };
        made += &known(name).unwrap_or_else(|| format!("${}", &after[..after.len() - next.len()]));
        rest = next;
    }
    (made + rest).into()
}

/// An address as it may be shown: without user and password, and without what follows `?`, which may be a signature.
pub fn shown(address: &str) -> String {
    let Some((scheme, mut rest)) = address.split_once("://") else { return address.to_owned() };
    let authority = rest.split('/').next().unwrap_or_default();
    let port = authority.rsplit_once(':').map_or("", |(_, port)| port);
    if authority.contains('@') || !port.bytes().all(|c| c.is_ascii_digit()) {
        // A password may hold what ends an address, unescaped: all before the last @ may be secret.
        rest = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    }
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    format!("{scheme}://{rest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(variables: &[(&str, &str)]) -> Settings {
        Settings::from_variables(|name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value))
        })
    }

    #[test]
    fn the_cache_is_where_python_has_it() {
        for (variables, cache) in [
            (vec![("HOME", "/h")], "/h/.cache/huggingface/hub"),
            (vec![("HOME", "/h"), ("XDG_CACHE_HOME", "/x")], "/x/huggingface/hub"),
            (vec![("HOME", "/h"), ("XDG_CACHE_HOME", "/x"), ("HF_HOME", "/f")], "/f/hub"),
            (vec![("HF_HOME", "/f"), ("HF_HUB_CACHE", "/c")], "/c"),
            (vec![], ".huggingface/hub"),
        ] {
            assert_eq!(settings(&variables).cache, Path::new(cache));
        }
    }

    #[test]
    fn paths_are_expanded_as_python_does() {
        let variables = [("HOME", "/h"), ("X", "/x")];
        let of = |cache: &str| settings(&[&variables[..], &[("HF_HUB_CACHE", cache)]].concat()).cache;
        for (cache, want) in [
            ("~/c", "/h/c"),
            ("~", "/h"),
            ("~other/c", "~other/c"),
            ("$X/c", "/x/c"),
            ("/a${X}b/$NONE-$", "/a/xb/$NONE-$"),
            ("${X", "${X"),
        ] {
            assert_eq!(of(cache), Path::new(want), "{cache}");
        }
    }

    #[test]
    fn secrets_in_addresses_are_not_shown() {
        for (address, want) in [
            ("http://user:pass@host:80/a/b?sig=x#y", "http://host:80/a/b"),
            ("https://host", "https://host"),
            ("s3://bucket/a@b", "s3://bucket/a@b"),
            ("org/name", "org/name"),
            ("http://a@b@host/", "http://host/"),
            ("http://user:pa/ss?w#d@host/x", "http://host/x"),
            ("http://host:80/a@b?c", "http://host:80/a@b"),
        ] {
            assert_eq!(shown(address), want);
        }
    }

    #[test]
    fn the_token_is_found_and_never_shown() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let home = folder.path().to_str().expect("a path in UTF-8");
        std::fs::write(folder.path().join("token"), "hf_file\n").expect("write");
        std::fs::write(folder.path().join("other"), "hf_other\n").expect("write");
        let other = folder.path().join("other");
        let other = other.to_str().expect("a path in UTF-8");
        let token = |variables: &[(&str, &str)]| settings(variables).token.map(|token| token.0);
        assert_eq!(token(&[("HF_HOME", home)]).as_deref(), Some("hf_file"));
        assert_eq!(token(&[("HF_HOME", home), ("HF_TOKEN_PATH", other)]).as_deref(), Some("hf_other"));
        assert_eq!(token(&[("HF_HOME", home), ("HF_TOKEN", " hf_env ")]).as_deref(), Some("hf_env"));
        assert_eq!(token(&[("HF_TOKEN", "hf_env"), ("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1")]), None);
        assert_eq!(token(&[("HF_TOKEN", "hf_env"), ("HF_HUB_DISABLE_IMPLICIT_TOKEN", "0")]).as_deref(), Some("hf_env"));
        assert!(!format!("{:?}", settings(&[("HF_TOKEN", "hf_env")])).contains("hf_env"));
    }

    #[test]
    fn endpoint_timeout_and_offline_follow_the_hubs_variables() {
        let of =
            settings(&[("HF_ENDPOINT", "http://h/"), ("HF_HUB_OFFLINE", "YES"), ("HF_HUB_DOWNLOAD_TIMEOUT", "2.5")]);
        assert_eq!((of.endpoint.as_str(), of.offline, of.timeout), ("http://h", true, Duration::from_millis(2500)));
        let of = settings(&[("HF_HUB_OFFLINE", "0"), ("HF_HUB_DOWNLOAD_TIMEOUT", "soon")]);
        assert_eq!((of.endpoint.as_str(), of.offline, of.timeout), (HUB, false, Duration::from_secs(30)));
    }
}
