//! The registry handle: acts judged, recorded, published.
