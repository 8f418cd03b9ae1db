//! Arrivals become events: which arrivals belong together, how many events there are, where, when, how sure.
//!
//! [`layout`] cuts the earth into regions; in each [`region`] every arrival goes into a [`window`], where [`live`]
//! gives the first word about an event at once and [`settle`] the final one when all its arrivals are in. Both look
//! for events with [`search`] (from one arrival and its [`partners`]: seeds from [`triple`]s, looked at by [`kernel`]) and
//! place them with [`locate`], which weighs each arrival by its [`worth`]; [`echo`] tells what may be one, [`celerity`] how fast
//! infrasound comes. The final word is a joint one: a [`plan`] of who
//! owns what, changed by [`resolve`], with what was [`learnt`] and the [`prior`]; a [`record`] carries both over a restart.

pub mod bells;
pub mod calibration;
pub mod celerity;
mod echo;
mod exp;
pub mod field;
pub mod ground;
pub mod kernel;
pub mod layout;
pub mod learnt;
pub mod live;
pub mod locate;
pub mod loudness;
mod mirror;
pub mod partners;
pub mod plan;
pub mod prior;
pub mod problem;
pub mod recent;
pub mod record;
pub mod region;
pub mod resolve;
pub mod search;
mod secondary;
pub mod settle;
pub mod stands;
pub mod triple;
pub mod wave;
pub mod window;
pub mod worth;
