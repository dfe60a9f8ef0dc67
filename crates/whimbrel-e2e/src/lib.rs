//! End-to-end tests of client and server over real sockets and files.
