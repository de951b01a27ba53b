//! A layout by the second and third eigenvector of the graph's normalised Laplacian, found by inverse iteration: each step solves
//! the system by conjugate gradients, within the space that is orthogonal to what was found before. Costs a product with the
//! matrix for each step, so it needs no dense matrix. Signs are arbitrary, as in the original.

use crate::views::facts::Facts;

/// The weight of an edge inside a package.
const IN_PACKAGE: f64 = 3.0;
/// Keeps the system solvable.
const SHIFT: f64 = 1e-9;
/// Iterations for one eigenvector, at most.
const ROUNDS: usize = 60;
/// When an eigenvalue counts as found.
const SETTLED: f64 = 1e-12;

struct Laplacian {
    /// For each node its neighbours with the negative entries of the matrix
    rows: Vec<Vec<(usize, f64)>>,
    diagonal: Vec<f64>,
}

/// The place of each job; nothing for a graph without edges.
pub(super) fn places(facts: &Facts<'_>) -> Option<Vec<(i64, i64)>> {
    let count = facts.relations.children.len();
    let mut degrees = vec![0.0_f64; count];
    let mut edges = Vec::new();
    for (from, children) in facts.relations.children.iter().enumerate() {
        for to in children {
            let package = facts.package(from);
            let weight = if package.is_some() && package == facts.package(*to) { IN_PACKAGE } else { 1.0 };
            edges.push((from, *to, weight));
            degrees[from] += weight;
            degrees[*to] += weight;
        }
    }
    if edges.is_empty() {
        return None;
    }
    let mut laplacian = Laplacian {
        rows: vec![Vec::new(); count],
        diagonal: degrees.iter().map(|degree| f64::from(*degree > 0.0)).collect(),
    };
    for (from, to, weight) in edges {
        let entry = weight / (degrees[from] * degrees[to]).sqrt();
        laplacian.rows[from].push((to, entry));
        laplacian.rows[to].push((from, entry));
    }
    let mut known = vec![normalised(degrees.iter().map(|degree| degree.sqrt()).collect())?];
    let mut coordinates = Vec::new();
    for number in 0..2 {
        let (value, vector) = laplacian.next(&known, number);
        let scale = if value > 1e-12 { count as f64 / value } else { count as f64 };
        coordinates.push(vector.iter().map(|part| (part * scale * 10.0).trunc() as i64).collect::<Vec<_>>());
        known.push(vector);
    }
    let y = coordinates.pop()?;
    Some(coordinates.pop()?.into_iter().zip(y).collect())
}

impl Laplacian {
    fn times(&self, vector: &[f64]) -> Vec<f64> {
        let row = |place: usize| {
            let neighbours: f64 = self.rows[place].iter().map(|(other, entry)| entry * vector[*other]).sum();
            (self.diagonal[place] + SHIFT) * vector[place] - neighbours
        };
        (0..vector.len()).map(row).collect()
    }

    /// The smallest eigenvalue with its vector that is orthogonal to the known ones.
    fn next(&self, known: &[Vec<f64>], number: usize) -> (f64, Vec<f64>) {
        let count = self.rows.len();
        // any start will do that is not orthogonal to the vector; the same each time, so that answers are equal
        let mut vector: Vec<f64> =
            (0..count).map(|place| ((place * (7 + 2 * number) + 3) as f64 * 0.618_033_988_75).fract() - 0.5).collect();
        let mut value = f64::MAX;
        for _ in 0..ROUNDS {
            orthogonal(&mut vector, known);
            let solved = self.solve(&vector, known);
            let Some(new) = normalised(solved) else { break };
            vector = new;
            let found = dot(&vector, &self.times(&vector)) - SHIFT;
            let settled = (found - value).abs() <= SETTLED * found.abs().max(SETTLED);
            value = found;
            if settled {
                break;
            }
        }
        (value, vector)
    }

    fn solve(&self, right: &[f64], known: &[Vec<f64>]) -> Vec<f64> {
        let mut solution = vec![0.0; right.len()];
        let mut residual = right.to_vec();
        let mut direction = residual.clone();
        let mut error = dot(&residual, &residual);
        let enough = error * 1e-22;
        for _ in 0..right.len() * 2 + 20 {
            let product = self.times(&direction);
            let step = error / dot(&direction, &product);
            if !step.is_finite() {
                break;
            }
            for place in 0..right.len() {
                solution[place] += step * direction[place];
                residual[place] -= step * product[place];
            }
            orthogonal(&mut residual, known);
            let next = dot(&residual, &residual);
            if next <= enough {
                break;
            }
            for place in 0..right.len() {
                direction[place] = residual[place] + next / error * direction[place];
            }
            error = next;
        }
        solution
    }
}

fn orthogonal(vector: &mut [f64], known: &[Vec<f64>]) {
    for other in known {
        let part = dot(vector, other);
        vector.iter_mut().zip(other).for_each(|(value, other)| *value -= part * other);
    }
}

fn normalised(vector: Vec<f64>) -> Option<Vec<f64>> {
    let length = dot(&vector, &vector).sqrt();
    (length.is_finite() && length > 0.0).then(|| vector.into_iter().map(|part| part / length).collect())
}

fn dot(one: &[f64], other: &[f64]) -> f64 {
    one.iter().zip(other).map(|(one, other)| one * other).sum()
}
