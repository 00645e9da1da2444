//! A robust random cut forest (Guha, Mishra, Roy, Schrijvers 2016): 30 trees of 128 points each. A point's score is the
//! expected depth at which a cut would part it from what a tree holds, without inserting it.

use std::sync::Arc;

use super::Scorer;
use super::features::{DIMENSIONS, Features, Point};
use crate::corpora::Request;
use crate::random::Random;

const TREES: usize = 30;
const POINTS: usize = 128;
/// One tree is grown anew from its points after so many requests: each after 60.
const GROWS_EVERY: u64 = 2;

enum Node {
    Leaf { count: usize },
    Cut { low: Point, high: Point, dimension: usize, place: f64, count: usize, sides: Box<[Node; 2]> },
}

#[derive(Clone)]
pub struct Forest {
    features: Features,
    random: Random,
    points: Vec<Arc<Vec<Point>>>,
    trees: Vec<Option<Arc<Node>>>,
    learnt: u64,
}

impl Default for Forest {
    fn default() -> Self {
        Self {
            features: Features::default(),
            random: Random::new(30),
            points: vec![Arc::default(); TREES],
            trees: vec![None; TREES],
            learnt: 0,
        }
    }
}

fn bounds(points: &[Point]) -> (Point, Point) {
    let (mut low, mut high) = ([f64::INFINITY; DIMENSIONS], [f64::NEG_INFINITY; DIMENSIONS]);
    for point in points {
        for at in 0..DIMENSIONS {
            low[at] = low[at].min(point[at]);
            high[at] = high[at].max(point[at]);
        }
    }
    (low, high)
}

fn grow(points: Vec<Point>, random: &mut Random) -> Node {
    let (low, high) = bounds(&points);
    let extent: f64 = (0..DIMENSIONS).map(|at| high[at] - low[at]).sum();
    let count = points.len();
    if count <= 1 || extent <= 1e-12 {
        return Node::Leaf { count };
    }
    // A dimension in proportion to its extent.
    let mut left = random.unit() * extent;
    let mut dimension = 0;
    while dimension + 1 < DIMENSIONS && left > high[dimension] - low[dimension] {
        left -= high[dimension] - low[dimension];
        dimension += 1;
    }
    let place = (low[dimension] + left).min(high[dimension].next_down());
    let (below, above) = points.into_iter().partition(|point| point[dimension] <= place);
    let sides = Box::new([grow(below, random), grow(above, random)]);
    Node::Cut { low, high, dimension, place, count, sides }
}

/// How little a tree knows of a point: greater the earlier it is parted from the rest.
fn strangeness(node: &Node, point: &Point, depth: f64) -> f64 {
    match node {
        Node::Leaf { count } => 1.0 / (depth + (1.0 + *count as f64).log2()),
        Node::Cut { low, high, dimension, place, count, sides } => {
            let extent: f64 = (0..DIMENSIONS).map(|at| high[at] - low[at]).sum();
            let beyond: f64 = (0..DIMENSIONS)
                .map(|at| (low[at] - point[at]).max(0.0) + (point[at] - high[at]).max(0.0))
                .sum();
            let parted = beyond / (beyond + extent);
            // Parted from many at once is stranger than from few.
            let alone = (1.0 + *count as f64).log2() / (depth + 1.0);
            let side = usize::from(point[*dimension] > *place);
            parted * alone + (1.0 - parted) * strangeness(&sides[side], point, depth + 1.0)
        }
    }
}

impl Scorer for Forest {
    fn score(&mut self, request: &Request) -> f64 {
        let point = self.features.point(request);
        let grown: Vec<&Arc<Node>> = self.trees.iter().flatten().collect();
        let sum: f64 = grown.iter().map(|tree| strangeness(tree, &point, 1.0)).sum();
        sum / grown.len().max(1) as f64
    }

    fn learn(&mut self, request: &Request) {
        let point = self.features.point(request);
        self.learnt += 1;
        for points in &mut self.points {
            if points.len() < POINTS {
                Arc::make_mut(points).push(point);
            } else if self.random.unit() < POINTS as f64 / self.learnt as f64 {
                let place = self.random.below(POINTS);
                Arc::make_mut(points)[place] = point;
            }
        }
        if self.learnt % GROWS_EVERY == 0 {
            let which = (self.learnt / GROWS_EVERY) as usize % TREES;
            let tree = grow(self.points[which].to_vec(), &mut self.random);
            self.trees[which] = Some(Arc::new(tree));
        }
        self.features.learn(request);
    }
}
