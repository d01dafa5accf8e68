//! A pod's volumes, from said to meant.
//!
//! | said | meant |
//! |---|---|
//! | `emptyDir` | a directory on disk; with `medium: Memory` a tmpfs, of `sizeLimit` bytes at most |
//! | `hostPath` | that path, if what is there is of the type that is asked for |
//! | `configMap`, `secret`, `projected`, `downwardAPI` | files, written once before any container |
//! | nothing | `emptyDir`, as an API server fills it in |
//! | anything else | refused by name |
//!
//! `fsGroup` is for all but `hostPath`. A volume is new each time a pod starts, so that
//! `fsGroupChangePolicy`, which spares the change of what has the group already, changes nothing.
//! A `sizeLimit` without `medium: Memory` is refused: nothing here keeps it.

mod files;

use stockade_spec::k8s_openapi::api::core::v1 as k8s;
use stockade_spec::{FieldPath, Pod};

use crate::quantity;
use crate::scope::{Findings, pod_place};
use crate::volume::{HostPathKind, Volume, VolumeKind, VolumeSource};
use crate::world::{NodeUserNamespace, World};
use crate::{Origin, Reason, Sourced};

pub(crate) fn resolve(
    pod: &Pod,
    spec: &k8s::PodSpec,
    world: &World,
    findings: &mut Findings,
) -> Vec<Sourced<Volume>> {
    let group = spec.security_context.as_ref().and_then(|it| it.fs_group);
    let group = group.and_then(|it| u32::try_from(it).ok());
    let group = group.map(|gid| Sourced::new(gid, Origin::Declared(pod_place(pod, "fsGroup"))));
    let mut all = Vec::new();
    for (index, volume) in spec.volumes.iter().flatten().enumerate() {
        let at = FieldPath::from("spec.volumes").index(index);
        let mut desk = Desk { pod, spec, world, findings };
        let Some((kind, source)) = desk.source(&at, volume) else { continue };
        let group = if kind == VolumeKind::HostPath { None } else { group.clone() };
        let value = Volume { name: volume.name.clone(), kind, source, group };
        all.push(Sourced::new(value, Origin::Declared(pod.place(&at))));
    }
    all
}

/// The kind of each volume by its name, whether or not it can be had.
pub(crate) fn kind_of(volume: &k8s::Volume) -> VolumeKind {
    let in_memory =
        volume.empty_dir.as_ref().is_some_and(|it| it.medium.as_deref() == Some("Memory"));
    if volume.host_path.is_some() {
        VolumeKind::HostPath
    } else if volume.config_map.is_some() {
        VolumeKind::ConfigMap
    } else if volume.secret.is_some() {
        VolumeKind::Secret
    } else if volume.projected.is_some() {
        VolumeKind::Projected
    } else if volume.downward_api.is_some() {
        VolumeKind::DownwardApi
    } else if in_memory {
        VolumeKind::Memory
    } else {
        VolumeKind::EmptyDir
    }
}

/// What is looked at while one volume is resolved.
struct Desk<'a, 'f> {
    pod: &'a Pod,
    spec: &'a k8s::PodSpec,
    world: &'a World,
    findings: &'f mut Findings,
}

impl Desk<'_, '_> {
    fn source(
        &mut self,
        at: &FieldPath,
        volume: &k8s::Volume,
    ) -> Option<(VolumeKind, VolumeSource)> {
        let known = self.refuse_foreign(at, volume);
        if !known {
            return None;
        }
        let k8s::Volume { empty_dir, host_path, config_map, secret, projected, .. } = volume;
        let number = [
            empty_dir.is_some(),
            host_path.is_some(),
            config_map.is_some(),
            secret.is_some(),
            projected.is_some(),
            volume.downward_api.is_some(),
        ];
        if number.iter().filter(|is_set| **is_set).count() > 1 {
            self.refuse(at, "may not specify more than 1 volume type");
            return None;
        }
        let kind = kind_of(volume);
        let source = if let Some(host) = host_path {
            self.host_path(&at.child("hostPath"), host)?
        } else if let Some(empty) = empty_dir {
            self.empty_dir(&at.child("emptyDir"), empty)?
        } else if kind.is_written_once() {
            VolumeSource::Files(self.files(at, volume)?)
        } else {
            VolumeSource::Directory
        };
        Some((kind, source))
    }

    /// Refuses what this build does not mount; says whether there is nothing of that kind.
    fn refuse_foreign(&mut self, at: &FieldPath, volume: &k8s::Volume) -> bool {
        let k8s::Volume {
            aws_elastic_block_store,
            azure_disk,
            azure_file,
            cephfs,
            cinder,
            config_map: _,
            csi,
            downward_api: _,
            empty_dir: _,
            ephemeral,
            fc,
            flex_volume,
            flocker,
            gce_persistent_disk,
            git_repo,
            glusterfs,
            host_path: _,
            image,
            iscsi,
            name: _,
            nfs,
            persistent_volume_claim,
            photon_persistent_disk,
            portworx_volume,
            projected: _,
            quobyte,
            rbd,
            scale_io,
            secret: _,
            storageos,
            vsphere_volume,
        } = volume;
        let mut known = true;
        for (name, is_set) in [
            ("awsElasticBlockStore", aws_elastic_block_store.is_some()),
            ("azureDisk", azure_disk.is_some()),
            ("azureFile", azure_file.is_some()),
            ("cephfs", cephfs.is_some()),
            ("cinder", cinder.is_some()),
            ("csi", csi.is_some()),
            ("ephemeral", ephemeral.is_some()),
            ("fc", fc.is_some()),
            ("flexVolume", flex_volume.is_some()),
            ("flocker", flocker.is_some()),
            ("gcePersistentDisk", gce_persistent_disk.is_some()),
            ("gitRepo", git_repo.is_some()),
            ("glusterfs", glusterfs.is_some()),
            ("image", image.is_some()),
            ("iscsi", iscsi.is_some()),
            ("nfs", nfs.is_some()),
            ("persistentVolumeClaim", persistent_volume_claim.is_some()),
            ("photonPersistentDisk", photon_persistent_disk.is_some()),
            ("portworxVolume", portworx_volume.is_some()),
            ("quobyte", quobyte.is_some()),
            ("rbd", rbd.is_some()),
            ("scaleIO", scale_io.is_some()),
            ("storageos", storageos.is_some()),
            ("vsphereVolume", vsphere_volume.is_some()),
        ] {
            known &= self.not_enforced(&at.child(name), is_set, name);
        }
        known
    }

    fn host_path(
        &mut self,
        at: &FieldPath,
        host: &k8s::HostPathVolumeSource,
    ) -> Option<VolumeSource> {
        let k8s::HostPathVolumeSource { path, type_ } = host;
        if !path.starts_with('/') || path.contains('\0') {
            self.refuse(&at.child("path"), &format!("{path:?} is not an absolute path"));
            return None;
        }
        if path.split('/').any(|it| it == "..") {
            self.refuse(&at.child("path"), "must not contain '..'");
            return None;
        }
        let kind = match type_.as_deref().unwrap_or_default() {
            "" => HostPathKind::Unset,
            "DirectoryOrCreate" => HostPathKind::DirectoryOrCreate,
            "Directory" => HostPathKind::Directory,
            "FileOrCreate" => HostPathKind::FileOrCreate,
            "File" => HostPathKind::File,
            "Socket" => HostPathKind::Socket,
            "CharDevice" => HostPathKind::CharDevice,
            "BlockDevice" => HostPathKind::BlockDevice,
            other => {
                self.refuse(&at.child("type"), &format!("there is no type {other:?}"));
                return None;
            }
        };
        Some(VolumeSource::Host { path: path.clone(), kind })
    }

    fn empty_dir(
        &mut self,
        at: &FieldPath,
        empty: &k8s::EmptyDirVolumeSource,
    ) -> Option<VolumeSource> {
        let k8s::EmptyDirVolumeSource { medium, mode, size_limit } = empty;
        if !self.not_enforced(&at.child("mode"), mode.is_some(), "mode") {
            return None;
        }
        let size = match size_limit.as_ref().map(|it| quantity::whole(&it.0)) {
            Some(Err(why)) => {
                self.refuse(&at.child("sizeLimit"), &why);
                return None;
            }
            Some(Ok(0)) | None => None,
            Some(Ok(size)) => Some(size),
        };
        let own = self.world.node.user_namespace != NodeUserNamespace::NotNeeded;
        match (medium.as_deref().unwrap_or_default(), size) {
            ("", None) => Some(VolumeSource::Directory),
            ("", Some(_)) => {
                let place = self.pod.place(&at.child("sizeLimit"));
                let why = "`sizeLimit` is enforced in memory only by this build";
                let hint = "add `medium: Memory`, or remove the limit";
                self.findings.refuse_with_hint(Reason::NotEnforced, place, why, hint);
                None
            }
            ("Memory", _) if own => {
                let place = self.pod.place(&at.child("medium"));
                let why = "without root nobody can keep a file system in memory for a pod";
                self.findings.refuse(Reason::Unsupported, place, why);
                None
            }
            ("Memory", size) => Some(VolumeSource::Memory { size }),
            (medium, _) => {
                let place = self.pod.place(&at.child("medium"));
                let why = format!("the medium {medium:?} is not offered by this build");
                self.findings.refuse(Reason::NotEnforced, place, why);
                None
            }
        }
    }

    /// Refuses a field that is set and not done; says whether there is nothing to refuse.
    fn not_enforced(&mut self, at: &FieldPath, is_set: bool, name: &str) -> bool {
        if is_set {
            let why = format!("`{name}` of a volume is not enforced by this build");
            self.findings.refuse(Reason::NotEnforced, self.pod.place(at), why);
        }
        !is_set
    }

    fn refuse(&mut self, at: &FieldPath, why: &str) {
        self.findings.refuse(Reason::CreateContainerConfigError, self.pod.place(at), why);
    }
}

#[cfg(test)]
mod tests;
