//! Power losses under the databases of device and server.

mod databases;
mod disk;
mod opening;
