//! What is written down about a container. A promise to later versions of this program: fields are
//! added, and the version says when that is not enough.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::ContainerId;

/// What is written down about a container.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// 1.
    pub version: u32,
    /// Its name.
    pub id: ContainerId,
    /// Where its bundle is.
    pub bundle: PathBuf,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
    /// Its cgroup, below each hierarchy's mount point.
    pub cgroup: String,
    /// When it was made, in seconds since 1970.
    pub created_seconds: u64,
    /// Its process; none while it is being made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<i32>,
    /// When that process began, in clock ticks since the machine did: together with the number it
    /// is unique.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_ticks: Option<u64>,
}

impl Record {
    /// What is about to be made.
    pub(super) fn intent(
        id: &ContainerId,
        bundle: PathBuf,
        annotations: BTreeMap<String, String>,
        cgroup: &str,
    ) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        Self {
            version: VERSION,
            id: id.clone(),
            bundle,
            annotations,
            cgroup: cgroup.to_owned(),
            created_seconds: now.map_or(0, |it| it.as_secs()),
            pid: None,
            start_ticks: None,
        }
    }

    pub(super) fn with_process(&self, pid: i32, start_ticks: u64) -> Self {
        Self { pid: Some(pid), start_ticks: Some(start_ticks), ..self.clone() }
    }

    /// Reads a record. The version comes first: another version's fields are another's.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Versioned {
            version: u32,
        }
        let Versioned { version } = serde_json::from_str(text).map_err(|it| it.to_string())?;
        if version != VERSION {
            return Err(format!("it is of version {version}, and this program knows {VERSION}"));
        }
        let record: Self = serde_json::from_str(text).map_err(|it| it.to_string())?;
        if record.pid.is_some() != record.start_ticks.is_some() {
            return Err("it names half a process".to_owned());
        }
        Ok(record)
    }
}

const VERSION: u32 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_survive_and_damaged_ones_do_not() {
        let id: ContainerId = "app".parse().unwrap();
        let record = Record::intent(&id, "/b".into(), BTreeMap::new(), "stockade/app");
        let record = record.with_process(42, 4711);
        let text = serde_json::to_string(&record).unwrap();
        assert_eq!(Record::parse(&text), Ok(record));
        for (from, to) in [
            ("\"version\":1", "\"version\":2"),
            ("\"version\":1,", ""),
            ("\"id\":\"app\"", "\"id\":\"../app\""),
            ("\"start_ticks\":4711", "\"start_ticks\":null"),
            ("\"start_ticks\"", "\"start\""),
            ("}", ""),
        ] {
            let damaged = text.replace(from, to);
            assert_ne!(damaged, text);
            assert!(Record::parse(&damaged).is_err(), "{damaged}");
        }
    }
}
