//! The Whimbrel client: builder, handles, driver, policies and shutdown.
