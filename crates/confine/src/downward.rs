//! The downward API: what a pod may be told about itself.
//!
//! What is not known here is refused by name, not invented: addresses, since the pod's network is
//! not connected; a `uid` that the manifest does not have; what the node has to offer. Source:
//! the kubelet's `podFieldSelectorRuntimeValue` and `ExtractContainerResourceValue`.

mod files;

use std::collections::BTreeMap;

use stockade_spec::Pod;
use stockade_spec::k8s_openapi::api::core::v1::{Container, PodSpec, ResourceFieldSelector};

use crate::quantity;
use crate::world::World;

pub(crate) use files::field_of_file;

/// A field, as a variable shows it.
pub(crate) fn field_of_variable(pod: &Pod, world: &World, path: &str) -> Result<String, String> {
    let spec = pod.spec();
    let unknown = |why: &str| Err(format!("`{path}` is not known here: {why}"));
    match path {
        "metadata.name" => Ok(pod.name().to_owned()),
        "metadata.namespace" => Ok(pod.namespace().to_owned()),
        "metadata.uid" => match &pod.object.metadata.uid {
            Some(uid) => Ok(uid.clone()),
            None => unknown("the manifest does not say it"),
        },
        "spec.nodeName" => {
            let declared = spec.and_then(|it| it.node_name.clone()).filter(|it| !it.is_empty());
            Ok(declared.unwrap_or_else(|| world.node.hostname.clone()))
        }
        "spec.serviceAccountName" => {
            // What the API server fills in.
            let new = spec.and_then(|it| it.service_account_name.clone());
            let old = || spec.and_then(|it| it.service_account.clone());
            let declared = new.filter(|it| !it.is_empty()).or_else(old);
            Ok(declared.filter(|it| !it.is_empty()).unwrap_or_else(|| "default".to_owned()))
        }
        "status.hostIP" | "status.hostIPs" | "status.podIP" | "status.podIPs" => {
            unknown("the pod's network is not connected")
        }
        _ => match (subscript(path, "metadata.labels"), subscript(path, "metadata.annotations")) {
            (Some(key), _) => Ok(value(pod.object.metadata.labels.as_ref(), key)),
            (None, Some(key)) => Ok(value(Some(pod.annotations()), key)),
            (None, None) => {
                Err(format!("`{path}` is no field that a variable can have its value from"))
            }
        },
    }
}

/// What a container asks for or may use, in units of the divisor.
pub(crate) fn resource(
    spec: &PodSpec,
    own: Option<&Container>,
    selector: &ResourceFieldSelector,
) -> Result<String, String> {
    let ResourceFieldSelector { container_name, divisor, resource } = selector;
    let container = match (container_name.as_deref().filter(|it| !it.is_empty()), own) {
        (None, Some(own)) => own,
        (None, None) => return Err("a file has to say whose (`containerName`)".to_owned()),
        (Some(name), _) => {
            let init = spec.init_containers.iter().flatten();
            let mut all = spec.containers.iter().chain(init);
            let found = all.find(|it| it.name == name);
            found.ok_or_else(|| format!("container {name} not found"))?
        }
    };
    let (list, kind) = resource.split_once('.').unwrap_or_default();
    let divisor = divisor.as_ref().map_or("", |it| it.0.as_str());
    let divisor = if matches!(divisor, "" | "0") { "1" } else { divisor };
    if !divisors(kind).is_some_and(|all| all.contains(&divisor)) {
        return Err(match divisors(kind) {
            Some(_) => format!("`{divisor}` is no divisor for `{resource}`"),
            None => format!("`{resource}` is no resource of a container"),
        });
    }
    let resources = container.resources.as_ref();
    let limit = resources.and_then(|it| it.limits.as_ref()?.get(kind));
    let request = resources.and_then(|it| it.requests.as_ref()?.get(kind));
    let quantity = match list {
        "limits" => limit.map(|it| it.0.as_str()).ok_or_else(|| {
            format!("`{resource}` is not declared, and what the node has is not known here")
        })?,
        // What is limited and not asked for is asked for as much.
        "requests" => request.or(limit).map_or("0", |it| it.0.as_str()),
        _ => return Err(format!("`{resource}` is no resource of a container")),
    };
    let read = if kind == "cpu" { quantity::millis } else { quantity::whole };
    Ok(read(quantity)?.div_ceil(read(divisor)?).to_string())
}

fn divisors(kind: &str) -> Option<&'static [&'static str]> {
    match kind {
        "cpu" => Some(&["1m", "1"]),
        "memory" | "ephemeral-storage" => Some(BYTES),
        _ if kind.starts_with("hugepages-") => Some(BYTES),
        _ => None,
    }
}

/// `base['key']`
fn subscript<'p>(path: &'p str, base: &str) -> Option<&'p str> {
    path.strip_prefix(base)?.strip_prefix("['")?.strip_suffix("']").filter(|it| !it.is_empty())
}

fn value(all: Option<&BTreeMap<String, String>>, key: &str) -> String {
    all.and_then(|it| it.get(key)).cloned().unwrap_or_default()
}

const BYTES: &[&str] =
    &["1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei"];
