use crate::{Config, LogFormat, StartError};
use std::io;
use tracing_subscriber::EnvFilter;

/// Sends the logs of this process to standard error, as configured.
///
/// Logs never hold message text or tokens.
pub(crate) fn init(config: &Config) -> Result<(), StartError> {
    let filter = EnvFilter::try_new(&config.log).map_err(|error| StartError::Log(error.to_string()))?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr);
    match config.log_format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().try_init(),
    }
    .map_err(|error| StartError::Log(error.to_string()))
}
