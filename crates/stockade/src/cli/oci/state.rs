//! `stockade oci state`.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;

use serde::Serialize;
use stockade_runtime::bundle::{self, Status, Store};

use super::Id;
use crate::answer::{Answer, Failure};

/// Print the state of a container, as JSON
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    id: Id,
}

pub(super) fn run(args: &Args, store: &Store) -> Result<Answer, Failure> {
    let bundle::State { record, status } =
        bundle::state(store, &args.id.id).map_err(Failure::unanswered)?;
    let state = State {
        oci_version: VERSION,
        id: record.id.as_str(),
        status: status.to_string(),
        pid: match status {
            Status::Created | Status::Running => record.pid,
            Status::Creating | Status::Stopped => None,
        },
        bundle: record.bundle.clone(),
        annotations: record.annotations.clone(),
    };
    let mut text = serde_json::to_vec_pretty(&state).map_err(Failure::unanswered)?;
    text.push(b'\n');
    std::io::stdout().write_all(&text).map_err(Failure::unanswered)?;
    Ok(Answer::Yes)
}

/// OCI runtime specification, `runtime.md`, "State".
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct State<'a> {
    oci_version: &'static str,
    id: &'a str,
    status: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pid: Option<i32>,
    bundle: PathBuf,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<String, String>,
}

const VERSION: &str = "1.2.0";
