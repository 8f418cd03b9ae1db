//! Arrivals become events.
