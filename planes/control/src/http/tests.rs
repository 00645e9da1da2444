mod access;
mod declaring;
mod ending;
mod enrolling;
mod observing;
mod people;
mod risk;
mod world;
