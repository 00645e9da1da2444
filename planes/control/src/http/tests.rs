mod access;
mod declaring;
mod enrolling;
mod observing;
mod people;
mod world;
