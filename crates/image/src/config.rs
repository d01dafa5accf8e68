//! What an image says about the process that it is made for.
//!
//! Only the parts that mean something to a container are kept. Nothing here is trusted: the caller
//! decides what a user, a path or a variable of an image may do.
//!
//! Source: the OCI image specification, "Image Configuration"; Docker writes the same fields, with
//! `null` where it has nothing.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

/// The defaults that an image brings along.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ImageConfig {
    /// `USER`: a name or number, or two with a colon between. `None` if the image names none.
    pub user: Option<String>,
    /// `ENV`: each `NAME=value`.
    pub env: Vec<String>,
    /// `ENTRYPOINT`.
    pub entrypoint: Vec<String>,
    /// `CMD`.
    pub cmd: Vec<String>,
    /// `WORKDIR`.
    pub working_dir: Option<String>,
    /// The processor's architecture in Go's words: `amd64`.
    pub architecture: String,
    /// The operating system in Go's words: `linux`.
    pub os: String,
    /// `LABEL`.
    pub labels: BTreeMap<String, String>,
    /// `EXPOSE`: each `80/tcp`.
    pub exposed_ports: Vec<String>,
    /// `STOPSIGNAL`: a name or a number.
    pub stop_signal: Option<String>,
    /// `VOLUME`: paths.
    pub volumes: Vec<String>,
}

/// The configuration as it is written.
#[derive(Debug, Default, Deserialize, Serialize)]
pub(crate) struct ConfigFile {
    #[serde(default, deserialize_with = "null_is_default")]
    architecture: String,
    #[serde(default, deserialize_with = "null_is_default")]
    os: String,
    #[serde(default, deserialize_with = "null_is_default")]
    config: Process,
    #[serde(default, deserialize_with = "null_is_default")]
    pub(crate) rootfs: RootFs,
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase", default)]
struct Process {
    #[serde(deserialize_with = "null_is_default")]
    user: String,
    #[serde(deserialize_with = "null_is_default")]
    env: Vec<String>,
    #[serde(deserialize_with = "null_is_default")]
    entrypoint: Vec<String>,
    #[serde(deserialize_with = "null_is_default")]
    cmd: Vec<String>,
    #[serde(deserialize_with = "null_is_default")]
    working_dir: String,
    #[serde(deserialize_with = "null_is_default")]
    labels: BTreeMap<String, String>,
    #[serde(deserialize_with = "null_is_default")]
    exposed_ports: BTreeMap<String, serde_json::Value>,
    #[serde(deserialize_with = "null_is_default")]
    stop_signal: String,
    #[serde(deserialize_with = "null_is_default")]
    volumes: BTreeMap<String, serde_json::Value>,
}

#[derive(Debug, Default, Deserialize, Serialize)]
pub(crate) struct RootFs {
    #[serde(default, rename = "type")]
    kind: String,
    #[serde(default, deserialize_with = "null_is_default")]
    pub(crate) diff_ids: Vec<crate::Digest>,
}

impl From<ConfigFile> for ImageConfig {
    fn from(file: ConfigFile) -> Self {
        let some = |text: String| (!text.is_empty()).then_some(text);
        Self {
            user: some(file.config.user),
            env: file.config.env,
            entrypoint: file.config.entrypoint,
            cmd: file.config.cmd,
            working_dir: some(file.config.working_dir),
            architecture: file.architecture,
            os: file.os,
            labels: file.config.labels,
            exposed_ports: file.config.exposed_ports.into_keys().collect(),
            stop_signal: some(file.config.stop_signal),
            volumes: file.config.volumes.into_keys().collect(),
        }
    }
}

impl ConfigFile {
    /// Writes `config` for an image of `layers`.
    pub(crate) fn new(config: &ImageConfig, layers: Vec<crate::Digest>) -> Self {
        let config = config.clone();
        let keys = |keys: Vec<String>| {
            keys.into_iter().map(|key| (key, serde_json::json!({}))).collect::<BTreeMap<_, _>>()
        };
        Self {
            architecture: config.architecture,
            os: config.os,
            config: Process {
                user: config.user.unwrap_or_default(),
                env: config.env,
                entrypoint: config.entrypoint,
                cmd: config.cmd,
                working_dir: config.working_dir.unwrap_or_default(),
                labels: config.labels,
                exposed_ports: keys(config.exposed_ports),
                stop_signal: config.stop_signal.unwrap_or_default(),
                volumes: keys(config.volumes),
            },
            rootfs: RootFs { kind: "layers".to_owned(), diff_ids: layers },
        }
    }

    pub(crate) fn architecture(&self) -> &str {
        &self.architecture
    }

    pub(crate) fn os(&self) -> &str {
        &self.os
    }
}

pub(crate) fn null_is_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_and_absent_are_the_same() {
        for text in [
            r#"{}"#,
            r#"{"config": null, "rootfs": null}"#,
            r#"{"config": {}, "rootfs": {"type": "layers", "diff_ids": null}}"#,
            r#"{"config": {"User": "", "Env": null, "Cmd": null, "Entrypoint": null,
                "WorkingDir": "", "Labels": null, "Volumes": null, "ExposedPorts": null,
                "StopSignal": null, "OnBuild": null}, "history": [{"created": "x"}]}"#,
        ] {
            let file: ConfigFile = serde_json::from_str(text).unwrap();
            assert!(file.rootfs.diff_ids.is_empty());
            assert_eq!(ImageConfig::from(file), ImageConfig::default(), "{text}");
        }
    }

    #[test]
    fn a_configuration_survives_being_written() {
        let config = ImageConfig {
            user: Some("1000:7".into()),
            env: vec!["A=b".into()],
            entrypoint: vec!["/e".into()],
            cmd: vec!["c".into()],
            working_dir: Some("/w".into()),
            architecture: "amd64".into(),
            os: "linux".into(),
            labels: [("k".to_owned(), "v".to_owned())].into(),
            exposed_ports: vec!["80/tcp".into()],
            stop_signal: Some("SIGINT".into()),
            volumes: vec!["/v".into()],
        };
        let layers = vec![crate::Digest::of(b"x")];
        let text = serde_json::to_string(&ConfigFile::new(&config, layers.clone())).unwrap();
        let file: ConfigFile = serde_json::from_str(&text).unwrap();
        assert_eq!(file.rootfs.diff_ids, layers);
        assert_eq!(ImageConfig::from(file), config);
    }
}
