use crate::Error;
use std::path::PathBuf;

/// Finds a program of this workspace beside the running one.
pub(crate) fn program(name: &str) -> Result<PathBuf, Error> {
    let own = std::env::current_exe().map_err(Error::io("finding the own program"))?;
    let mut beside = own
        .parent()
        .into_iter()
        .flat_map(|dir| [dir.join(name), dir.join("..").join(name)]);
    beside.find(|path| path.is_file()).ok_or_else(|| {
        Error::program(
            name,
            "it is not built: run this through cargo xtask, which builds it first",
        )
    })
}
