//! Streaming half-space trees (Tan, Ting, Liu 2011): 25 trees of depth 10, masses of a reference window and a latest one.

use std::sync::Arc;

use super::Scorer;
use super::features::{DIMENSIONS, Features, Point};
use crate::corpora::Request;
use crate::random::Random;

const TREES: usize = 25;
const DEPTH: u32 = 10;
const WINDOW: u32 = 100;
/// Below this mass a node isn't split any further.
const MASS_MIN: f64 = 0.1 * WINDOW as f64;

#[derive(Clone)]
struct Tree {
    /// Dimension and place of the cut of each inner node, in heap order from 1.
    cuts: Arc<Vec<(usize, f64)>>,
    reference: Arc<Vec<u32>>,
    latest: Vec<u32>,
}

#[derive(Clone)]
pub struct HalfSpaceTrees {
    features: Features,
    trees: Vec<Tree>,
    in_window: u32,
    is_filled: bool,
}

impl Default for HalfSpaceTrees {
    fn default() -> Self {
        let mut random = Random::new(25);
        Self {
            features: Features::default(),
            trees: (0..TREES).map(|_| Tree::new(&mut random)).collect(),
            in_window: 0,
            is_filled: false,
        }
    }
}

impl Tree {
    fn new(random: &mut Random) -> Self {
        // As in the paper: a work space around a random middle, at least as wide as twice the greater side.
        let spaces = [0; DIMENSIONS].map(|_| {
            let middle = random.unit();
            let reach = 2.0 * middle.max(1.0 - middle);
            (middle - reach, middle + reach)
        });
        let nodes = 1 << DEPTH;
        let mut bounds = vec![spaces; 2 * nodes];
        let mut cuts = vec![(0, 0.0); nodes];
        for node in 1..nodes {
            let dimension = random.below(DIMENSIONS);
            let (low, high) = bounds[node][dimension];
            let cut = f64::midpoint(low, high);
            cuts[node] = (dimension, cut);
            bounds[2 * node] = bounds[node];
            bounds[2 * node][dimension] = (low, cut);
            bounds[2 * node + 1] = bounds[node];
            bounds[2 * node + 1][dimension] = (cut, high);
        }
        Self { cuts: Arc::new(cuts), reference: Arc::new(vec![0; 2 * nodes]), latest: vec![0; 2 * nodes] }
    }

    fn path(&self, point: &Point) -> [usize; DEPTH as usize + 1] {
        let mut path = [1; DEPTH as usize + 1];
        for depth in 1..path.len() {
            let (dimension, cut) = self.cuts[path[depth - 1]];
            path[depth] = 2 * path[depth - 1] + usize::from(point[dimension] >= cut);
        }
        path
    }

    fn mass(&self, point: &Point) -> f64 {
        let path = self.path(point);
        let mut score = 0.0;
        for (depth, node) in path.into_iter().enumerate() {
            let mass = f64::from(self.reference[node]);
            score = mass * 2_f64.powi(depth as i32);
            if mass <= MASS_MIN {
                break;
            }
        }
        score
    }
}

impl HalfSpaceTrees {
    fn turn(&mut self) {
        for tree in &mut self.trees {
            let empty = vec![0; tree.latest.len()];
            tree.reference = Arc::new(std::mem::replace(&mut tree.latest, empty));
        }
        self.in_window = 0;
        self.is_filled = true;
    }
}

impl Scorer for HalfSpaceTrees {
    fn score(&mut self, request: &Request) -> f64 {
        let point = self.features.point(request);
        if !self.is_filled {
            return f64::NEG_INFINITY;
        }
        -(1.0 + self.trees.iter().map(|tree| tree.mass(&point)).sum::<f64>()).ln()
    }

    fn learn(&mut self, request: &Request) {
        let point = self.features.point(request);
        for tree in &mut self.trees {
            for node in tree.path(&point) {
                tree.latest[node] += 1;
            }
        }
        self.features.learn(request);
        self.in_window += 1;
        if self.in_window == WINDOW {
            self.turn();
        }
    }

    fn trained(&mut self) {
        // A short training is no whole window, and still all there is.
        if !self.is_filled {
            self.turn();
        }
    }
}
