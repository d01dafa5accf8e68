//! One registry, spoken to through `oci-client` on a runtime of its own.

use std::fs::File;
use std::io::Write as _;
use std::net::{IpAddr, Ipv6Addr};
use std::path::Path;
use std::time::Duration;

use futures_util::StreamExt as _;
use oci_client::client::{Client, ClientConfig, ClientProtocol, LayerDescriptor};
use oci_client::errors::{OciDistributionError, OciErrorCode};
use oci_client::secrets::RegistryAuth;
use tokio::runtime::Runtime;

use super::{PullOptions, auth};
use crate::progress::REPORT_EVERY;
use crate::wire::{Descriptor, INDEXES, MANIFESTS};
use crate::{Error, Progress, Reference};

/// A registry and the image that is fetched from it.
pub(super) struct Registry {
    reference: Reference,
    client: Client,
    auth: RegistryAuth,
    /// Last, because the client's connections end in it.
    runtime: Runtime,
}

impl Registry {
    pub(super) fn connect(reference: &Reference, options: &PullOptions) -> Result<Self, Error> {
        let auth = auth::find(reference, &options.auth)?;
        // The client builds a second one of its defaults and ends the program if that fails, which
        // it does without authorities; so look first.
        if rustls_native_certs::load_native_certs().certs.is_empty() {
            return Err(Error::NoAuthorities);
        }
        // It is set already if this is not the first pull.
        rustls::crypto::ring::default_provider().install_default().ok();

        let failed = |why: String| Error::Registry { reference: reference.familiar(), why };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| failed(error.to_string()))?;
        let is_plain = is_loopback(reference.registry())
            || options.insecure_registries.iter().any(|it| it == reference.registry());
        let protocol = if is_plain { ClientProtocol::Http } else { ClientProtocol::Https };
        let config = ClientConfig {
            protocol,
            connect_timeout: Some(CONNECT_TIMEOUT),
            read_timeout: Some(READ_TIMEOUT),
            user_agent: concat!("stockade/", env!("CARGO_PKG_VERSION")),
            ..ClientConfig::default()
        };
        let client = {
            let _inside = runtime.enter();
            Client::try_from(config).map_err(|error| failed(explain(&error)))?
        };
        Ok(Self { reference: reference.clone(), client, auth, runtime })
    }

    /// Fetches a manifest or an index. The caller checks its digest, if it knows one.
    pub(super) fn manifest(&self, reference: &Reference) -> Result<Vec<u8>, Error> {
        let accepted = [MANIFESTS, INDEXES].concat();
        let image = self.image(reference)?;
        let fetch = self.client.pull_manifest_raw(&image, &self.auth, &accepted);
        self.runtime.block_on(async {
            // The body is read into memory whole, so time bounds what nothing else does.
            match tokio::time::timeout(MANIFEST_TIMEOUT, fetch).await {
                Ok(Ok((bytes, _))) => Ok(bytes.to_vec()),
                Ok(Err(error)) => Err(self.failed(explain(&error))),
                Err(_) => Err(self.failed("the registry did not answer in time".to_owned())),
            }
        })
    }

    /// Writes a blob to the new file `to`, and no more than its announced size. Its digest is
    /// checked on the way.
    pub(super) fn blob(
        &self,
        blob: &Descriptor,
        to: &Path,
        progress: &mut dyn Progress,
        label: &str,
    ) -> Result<(), Error> {
        let mut file = File::create_new(to).map_err(Error::io("make", to))?;
        let image = self.image(&self.reference)?;
        let digest = blob.digest.to_string();
        // Without the addresses of the manifest: a blob comes from the registry or not at all.
        let wanted = LayerDescriptor { digest: &digest, urls: &None };

        self.runtime.block_on(async {
            let stream = self.client.pull_blob_stream(&image, &wanted).await;
            let mut stream = stream.map_err(|error| self.failed(explain(&error)))?;
            let (mut done, mut reported) = (0, 0);
            progress.step(label, 0, Some(blob.size));
            while let Some(chunk) = stream.next().await {
                let chunk = chunk.map_err(|error| self.failed(explain(&error)))?;
                done += chunk.len() as u64;
                if done > blob.size {
                    let what = format!("the blob {digest}");
                    return Err(Error::TooLarge { what, limit: blob.size });
                }
                file.write_all(&chunk).map_err(Error::io("write", to))?;
                if done - reported >= REPORT_EVERY || done == blob.size {
                    reported = done;
                    progress.step(label, done, Some(blob.size));
                }
            }
            Ok(())
        })
    }

    fn image(&self, reference: &Reference) -> Result<oci_client::Reference, Error> {
        reference.to_string().parse().map_err(|error| self.failed(format!("{error}")))
    }

    fn failed(&self, why: String) -> Error {
        Error::Registry { reference: self.reference.familiar(), why }
    }
}

/// Says what went wrong in the words of whoever knows most about it.
fn explain(error: &(dyn std::error::Error + 'static)) -> String {
    if let Some(known) = error.downcast_ref::<OciDistributionError>()
        && let Some(why) = known_reason(known)
    {
        return why;
    }
    // The outermost error often says no more than that there was one.
    let mut text = error.to_string();
    let mut inner = error.source();
    while let Some(error) = inner {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        inner = error.source();
    }
    // A registry's words are not ours: they must not steer a terminal.
    text.chars().flat_map(char::escape_debug).take(1000).collect()
}

fn known_reason(error: &OciDistributionError) -> Option<String> {
    let envelope = if let OciDistributionError::RegistryError { envelope, .. } = error {
        Some(envelope)
    } else {
        None
    };
    let has = |code: OciErrorCode| {
        envelope.is_some_and(|envelope| envelope.errors.iter().any(|it| it.code == code))
    };
    if has(OciErrorCode::ManifestUnknown) || has(OciErrorCode::NameUnknown) {
        return Some("the registry has no such image".to_owned());
    }
    let is_denied = matches!(
        error,
        OciDistributionError::UnauthorizedError { .. }
            | OciDistributionError::AuthenticationFailure(_)
    );
    if is_denied || has(OciErrorCode::Unauthorized) || has(OciErrorCode::Denied) {
        let why = "the registry denies access: the image does not exist or needs a login \
                   (`docker login`, or a user and a password)";
        return Some(why.to_owned());
    }
    None
}

/// Is this registry on this machine, so that nobody is between us and it?
fn is_loopback(registry: &str) -> bool {
    if let Some(rest) = registry.strip_prefix('[') {
        let address = rest.split(']').next().unwrap_or_default();
        return address.parse::<Ipv6Addr>().is_ok_and(|it| it.is_loopback());
    }
    let host = registry.split(':').next().unwrap_or_default();
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|it| it.is_loopback())
}

const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// Between two pieces of an answer.
const READ_TIMEOUT: Duration = Duration::from_secs(60);
const MANIFEST_TIMEOUT: Duration = Duration::from_secs(120);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_is_spoken_to_in_plain_http() {
        for (registry, expected) in [
            ("localhost", true),
            ("localhost:5000", true),
            ("127.0.0.1", true),
            ("127.0.0.1:5000", true),
            ("127.1.2.3:80", true),
            ("[::1]", true),
            ("[::1]:5000", true),
            ("docker.io", false),
            ("localhost.example", false),
            ("127.0.0.1.example:5000", false),
            ("128.0.0.1", false),
            ("[::2]:5000", false),
            ("LOCALHOST", false),
        ] {
            assert_eq!(is_loopback(registry), expected, "{registry}");
        }
    }
}
