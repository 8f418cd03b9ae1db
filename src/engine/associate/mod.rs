//! Arrivals become events: which arrivals belong together, how many events there are, where, when, how sure.
//!
//! [`layout`] cuts the earth into regions; in each [`region`] every arrival goes into a [`window`], where [`live`]
//! gives the first word about an event at once and [`settle`] the final one when all its arrivals are in. Both look
//! for events with [`search`] (branch and bound over [`kernel`]'s bounds) and place them with [`locate`].

pub mod field;
pub mod kernel;
pub mod layout;
pub mod live;
pub mod locate;
pub mod region;
pub mod search;
pub mod settle;
pub mod wave;
pub mod window;
