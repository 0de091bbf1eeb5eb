//! A whole switch in one process, over real TLS.
