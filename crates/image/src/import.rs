//! Images from a file or a directory: what `docker save` writes, and OCI layouts.
//!
//! Nothing of an archive is unpacked but the layers, and these only through `unpack`: its members
//! are found in place. Every digest that is announced is checked; so are sizes, before anything is
//! read into memory.
//!
//! Knows nothing of networks.

mod docker;
mod layout;
mod source;

use std::path::Path;

use crate::store::{NewImage, Work};
use crate::{Error, Progress, Reference, Store};
pub(crate) use source::Source;

/// An image in a source: what is known of it, and where its layers are.
struct Found {
    image: NewImage,
    layers: Vec<LayerAt>,
}

/// A layer in a source.
struct LayerAt {
    /// The member that holds it.
    member: String,
    /// The digest of that member, if it was announced.
    digest: Option<crate::Digest>,
}

impl Store {
    /// Brings in the images of `path` (a docker-archive or an OCI layout, as a tar archive, plain
    /// or compressed, or as a directory) and returns their names.
    ///
    /// Without `name` they get those that they say; with it there has to be one image, which gets
    /// this name only. An image that had one of the names before loses it.
    ///
    /// # Errors
    ///
    /// [`Error::NotAnImage`], [`Error::Unnamed`], [`Error::Ambiguous`]; [`Error::WrongDigest`],
    /// [`Error::Malformed`], [`Error::Unpack`], [`Error::Platform`] if the image is unusable.
    pub fn import(
        &self,
        path: &Path,
        name: Option<&Reference>,
        progress: &mut dyn Progress,
    ) -> Result<Vec<Reference>, Error> {
        let mut work = Work::begin(self)?;
        let source = Source::open(path, &work, progress)?;
        // Docker writes both forms side by side since version 25; only the older one says all names.
        let mut images = match docker::find(&source)? {
            Some(images) => images,
            None => {
                layout::find(&source)?.ok_or_else(|| Error::NotAnImage { path: path.to_owned() })?
            }
        };

        if let Some(name) = name {
            let count = images.len();
            let [only] = images.as_mut_slice() else {
                let (path, name) = (path.to_owned(), name.familiar());
                return Err(Error::Ambiguous { path, count, name });
            };
            only.image.names = vec![name.clone()];
        }
        if images.is_empty() {
            return Err(Error::NotAnImage { path: path.to_owned() });
        }
        if images.iter().any(|it| it.image.names.is_empty()) {
            return Err(Error::Unnamed { path: path.to_owned() });
        }

        for Found { image, layers } in &images {
            let mut open = |number: usize| {
                let layer: &LayerAt = &layers[number];
                source.content(&layer.member, layer.digest)
            };
            image.add(self, &mut work, &mut open, progress)?;
        }
        Ok(images.into_iter().flat_map(|it| it.image.names).collect())
    }
}
