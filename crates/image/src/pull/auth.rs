//! Who we are to a registry, as Docker's configuration says it.

use std::fs::File;
use std::path::PathBuf;
use std::{env, io};

use docker_credential::{CredentialRetrievalError, DockerCredential};
use oci_client::secrets::RegistryAuth;

use super::Auth;
use crate::{Error, Reference};

/// Finds the credentials for the registry of `reference`.
///
/// # Errors
///
/// [`Error::Credentials`] if there are some that cannot be used. To go on as nobody would tell a
/// user who has logged in that the image does not exist.
pub(super) fn find(reference: &Reference, auth: &Auth) -> Result<RegistryAuth, Error> {
    match auth {
        Auth::Anonymous => return Ok(RegistryAuth::Anonymous),
        Auth::Basic { user, password } => {
            return Ok(RegistryAuth::Basic(user.clone(), password.clone()));
        }
        Auth::DockerConfig => {}
    }
    let wrong = |why: String| Error::Credentials { registry: reference.registry().to_owned(), why };
    let Some(path) = config_path() else { return Ok(RegistryAuth::Anonymous) };
    let config = match File::open(&path) {
        Ok(config) => config,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(RegistryAuth::Anonymous);
        }
        Err(error) => return Err(wrong(format!("{}: {error}", path.display()))),
    };

    // Docker files its own registry under the address of a protocol that is gone.
    let server = match reference.registry() {
        "docker.io" => "https://index.docker.io/v1/",
        other => other,
    };
    match docker_credential::get_credential_from_reader(config, server) {
        Ok(DockerCredential::UsernamePassword(user, password)) => {
            Ok(RegistryAuth::Basic(user, password))
        }
        Ok(DockerCredential::IdentityToken(_)) => Err(wrong(
            "Docker's configuration has an identity token, which is not supported: log in with a \
             user and a password or access token"
                .to_owned(),
        )),
        Err(CredentialRetrievalError::NoCredentialConfigured) => Ok(RegistryAuth::Anonymous),
        Err(CredentialRetrievalError::HelperFailure { stdout, .. })
            if stdout.contains("credentials not found") =>
        {
            Ok(RegistryAuth::Anonymous)
        }
        // A helper's words are in it.
        Err(error) => {
            let why: String = error.to_string().chars().flat_map(char::escape_debug).collect();
            Err(wrong(format!("{}: {why}", path.display())))
        }
    }
}

fn config_path() -> Option<PathBuf> {
    let directory = match env::var_os("DOCKER_CONFIG") {
        Some(directory) => PathBuf::from(directory),
        None => PathBuf::from(env::var_os("HOME")?).join(".docker"),
    };
    Some(directory.join("config.json"))
}
