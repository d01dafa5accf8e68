//! Kernels as Debian packages them: an image in `/boot`, modules beside it.

use std::fs;
use std::path::{Path, PathBuf};

use super::GuestError;

/// A kernel that can be booted.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Kernel {
    /// The compressed image.
    pub image: PathBuf,
    /// What `uname -r` says when it runs, read from the image itself.
    pub release: String,
    /// The directory of its modules.
    pub modules: PathBuf,
}

impl Kernel {
    /// Reads the release out of `image` and takes its modules from `/lib/modules`.
    ///
    /// # Errors
    ///
    /// If the file cannot be read or is no x86 kernel image.
    pub fn open(image: &Path) -> Result<Self, GuestError> {
        let bytes = fs::read(image).map_err(GuestError::io("read", image))?;
        let release = release(&bytes).ok_or_else(|| GuestError::NotAKernel(image.to_owned()))?;
        let modules = Path::new("/lib/modules").join(&release);
        Ok(Self { image: image.to_owned(), release, modules })
    }

    /// The newest cloud kernel in `/boot`: package `linux-image-cloud-amd64`.
    ///
    /// # Errors
    ///
    /// [`GuestError::NoKernel`] if there is none, and those of [`Kernel::open`].
    pub fn newest() -> Result<Self, GuestError> {
        let boot = Path::new("/boot");
        let entries = fs::read_dir(boot).map_err(GuestError::io("list", boot))?;
        let image = entries
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter(|name| name.starts_with("vmlinuz-") && name.ends_with("-cloud-amd64"))
            .max_by_key(|name| numbers(name))
            .ok_or(GuestError::NoKernel)?;
        Self::open(&boot.join(image))
    }
}

/// The release in the header of a bzImage.
///
/// Source: the kernel's `Documentation/arch/x86/boot.rst`, `kernel_version`.
fn release(image: &[u8]) -> Option<String> {
    if image.get(0x202..0x206)? != b"HdrS" {
        return None;
    }
    let pointer = u16::from_le_bytes(image.get(0x20E..0x210)?.try_into().ok()?);
    let version = image.get(usize::from(pointer) + 0x200..)?;
    let end = version.iter().position(|&byte| byte == b' ' || byte == 0)?;
    let release = std::str::from_utf8(&version[..end]).ok()?;
    (!release.is_empty()).then(|| release.to_owned())
}

/// The numbers in a name, so that 6.10 comes after 6.9.
fn numbers(name: &str) -> Vec<u64> {
    name.split(|it: char| !it.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_release_is_read_from_the_header() {
        let mut image = vec![0; 0x400];
        assert_eq!(release(&image), None);
        image[0x202..0x206].copy_from_slice(b"HdrS");
        image[0x20E..0x210].copy_from_slice(&0x100_u16.to_le_bytes());
        assert_eq!(release(&image), None, "an empty version");
        image[0x300..0x30D].copy_from_slice(b"6.1.0-9 (a@b)");
        assert_eq!(release(&image).as_deref(), Some("6.1.0-9"));
        image[0x20E..0x210].copy_from_slice(&0x300_u16.to_le_bytes());
        assert_eq!(release(&image), None, "beyond the file");
    }

    #[test]
    fn releases_are_ordered_as_numbers() {
        let mut names = ["vmlinuz-6.12.9-cloud", "vmlinuz-6.1.0-50-cloud", "vmlinuz-6.1.0-9-cloud"];
        names.sort_by_key(|name| numbers(name));
        assert_eq!(
            names,
            ["vmlinuz-6.1.0-9-cloud", "vmlinuz-6.1.0-50-cloud", "vmlinuz-6.12.9-cloud"]
        );
    }
}
