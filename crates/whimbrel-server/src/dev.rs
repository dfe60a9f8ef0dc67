use crate::{
    Secret,
    files::{beside, write_private},
};
use std::{fs, io, path::Path};

/// Returns the development secret that lies beside the database, and makes it the first time.
///
/// It stays the same, so that tokens survive a restart of the server.
pub(crate) fn secret(database: &Path) -> io::Result<Secret> {
    let path = beside(database, ".dev-secret");
    match fs::read(&path) {
        Ok(bytes) => return Ok(Secret::new(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let mut random = [0_u8; 32];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    let text: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    write_private(&path, text.as_bytes())?;
    Ok(Secret::new(text))
}
