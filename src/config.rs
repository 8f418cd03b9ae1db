//! One typed tree of everything that can be set.
