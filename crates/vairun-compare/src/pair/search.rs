use std::collections::HashMap;

use super::facts::Facts;
use super::layout::{Layout, integers};
use super::sites::{Leaf, Site, Skeleton};

/// A site here (ONNX) and its counterpart there (.xmodel).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The number of the site here.
    pub here: usize,
    /// The number of the site there.
    pub there: usize,
    /// How the elements lie there.
    pub layout: Layout,
    /// Why the two were matched.
    pub matched_by: &'static str,
}

/// Which sites of two graphs are the same.
#[derive(Clone, Debug, Default)]
pub struct Pairing {
    /// In the order of the sites here.
    pub pairs: Vec<Pair>,
    /// Sites here without counterpart.
    pub only_here: Vec<usize>,
    /// Sites there without counterpart.
    pub only_there: Vec<usize>,
}

/// One of the two graphs.
#[derive(Clone, Copy)]
struct Side<'a> {
    skeleton: &'a Skeleton,
    facts: &'a [Option<Facts>],
}

impl Side<'_> {
    fn site(&self, i: usize) -> &Site {
        &self.skeleton.sites[i]
    }

    fn step(&self, i: usize) -> Option<f64> {
        self.facts[i].as_ref().map(|facts| facts.step)
    }

    fn shape(&self, i: usize) -> &[usize] {
        self.facts[i].as_ref().map_or(&[], |facts| facts.codes.shape())
    }
}

impl Pairing {
    /// Matches the sites of two graphs. The values of activations play no part: of activations the shape and the step
    /// count, of parameters the codes too. `inputs` are the places of the inputs that belong together.
    pub fn find(
        (here, here_facts): (&Skeleton, &[Option<Facts>]),
        (there, there_facts): (&Skeleton, &[Option<Facts>]),
        inputs: &[(usize, usize)],
    ) -> Self {
        let here = Side { skeleton: here, facts: here_facts };
        let there = Side { skeleton: there, facts: there_facts };
        let mut search = Search::new(here, there, inputs);
        search.parameters_by_content();
        search.activations();
        search.finish()
    }

    /// The sites of two versions of one file that have the same name.
    pub fn by_name(
        (here, here_facts): (&Skeleton, &[Option<Facts>]),
        (there, there_facts): (&Skeleton, &[Option<Facts>]),
    ) -> Self {
        let here = Side { skeleton: here, facts: here_facts };
        let there = Side { skeleton: there, facts: there_facts };
        let mut search = Search::new(here, there, &[]);
        let names: HashMap<&str, usize> = there
            .skeleton
            .sites
            .iter()
            .enumerate()
            .map(|(j, site)| (site.name.as_str(), j))
            .collect();
        for (i, site) in here.skeleton.sites.iter().enumerate() {
            // A parameter of a quantized file is a `fix` of a constant, in a compiled file the constant itself.
            let bare = site.name.strip_suffix("_fix").unwrap_or(&site.name);
            let fixed = format!("{}_fix", site.name);
            let found = [site.name.as_str(), bare, fixed.as_str()]
                .iter()
                .find_map(|name| names.get(name).copied());
            if let Some(j) = found.filter(|&j| search.to_here[j].is_none()) {
                search.accept(i, j, "same name");
            }
        }
        search.finish()
    }
}

struct Search<'a> {
    here: Side<'a>,
    there: Side<'a>,
    inputs: HashMap<usize, usize>,
    to_there: Vec<Option<usize>>,
    to_here: Vec<Option<usize>>,
    after_here: Vec<Vec<usize>>,
    after_there: Vec<Vec<usize>>,
    pairs: Vec<Pair>,
}

/// Points for what two sites share. What contradicts counts as much against them.
const NEIGHBOUR: i64 = 8;
const OPERATION: i64 = 3;
const STEP: i64 = 2;
const FAN: i64 = 2;

impl<'a> Search<'a> {
    fn new(here: Side<'a>, there: Side<'a>, inputs: &[(usize, usize)]) -> Self {
        Self {
            here,
            there,
            inputs: inputs.iter().copied().collect(),
            to_there: vec![None; here.skeleton.sites.len()],
            to_here: vec![None; there.skeleton.sites.len()],
            after_here: here.skeleton.successors(),
            after_there: there.skeleton.successors(),
            pairs: Vec::new(),
        }
    }

    fn finish(mut self) -> Pairing {
        self.pairs.sort_by_key(|pair| pair.here);
        let open = |matched: &[Option<usize>], side: Side| -> Vec<usize> {
            (0..matched.len())
                .filter(|&i| matched[i].is_none() && side.facts[i].is_some())
                .collect()
        };
        Pairing {
            only_here: open(&self.to_there, self.here),
            only_there: open(&self.to_here, self.there),
            pairs: self.pairs,
        }
    }

    /// How the site `i` here may lie in the site `j` there; empty where they cannot be the same.
    fn layouts(&self, i: usize, j: usize) -> Vec<Layout> {
        if self.here.site(i).parameter != self.there.site(j).parameter
            || self.here.facts[i].is_none()
            || self.there.facts[j].is_none()
        {
            return Vec::new();
        }
        match self.here.site(i).parameter {
            true => Layout::of_parameter(self.here.shape(i), self.there.shape(j)),
            false => Layout::of_activation(self.here.shape(i), self.there.shape(j)),
        }
    }

    fn accept(&mut self, i: usize, j: usize, matched_by: &'static str) {
        let layouts = self.layouts(i, j);
        let same = |layout: &&Layout| self.equal(i, j, layout);
        let parameter = self.here.site(i).parameter;
        let best = layouts.iter().find(same).filter(|_| parameter || matched_by == "same name");
        let Some(layout) = best.or(layouts.first()) else { return };
        self.pairs.push(Pair { here: i, there: j, layout: layout.clone(), matched_by });
        self.to_there[i] = Some(j);
        self.to_here[j] = Some(i);
    }

    /// Whether the codes are the same.
    fn equal(&self, i: usize, j: usize, layout: &Layout) -> bool {
        let (Some(a), Some(b)) = (&self.here.facts[i], &self.there.facts[j]) else { return false };
        a.step == b.step
            && layout.to_there(&a.codes).is_some_and(|codes| Some(codes) == integers(&b.codes))
    }

    /// Parameters that have the same codes as one other and no more.
    fn parameters_by_content(&mut self) {
        let count = self.here.skeleton.sites.len();
        let partners: Vec<Vec<usize>> = (0..count)
            .map(|i| {
                (0..self.there.skeleton.sites.len())
                    .filter(|&j| self.same_parameter(i, j))
                    .collect()
            })
            .collect();
        for (i, found) in partners.iter().enumerate() {
            if let &[j] = found.as_slice()
                && partners.iter().filter(|others| others.contains(&j)).count() == 1
            {
                self.accept(i, j, "the bytes of the parameter");
            }
        }
    }

    fn same_parameter(&self, i: usize, j: usize) -> bool {
        self.here.site(i).parameter
            && self.layouts(i, j).iter().any(|layout| self.equal(i, j, layout))
    }

    /// Matches activations round by round: first those that have one best counterpart, then, where nothing is left
    /// that is certain, the first of the equally good.
    fn activations(&mut self) {
        loop {
            let certain = self.best_pairs();
            if certain.is_empty() {
                match self.first_of_equals() {
                    Some((i, j)) => self.match_site(i, j, "the order of the nodes"),
                    None => return,
                }
                continue;
            }
            for (i, j) in certain {
                if self.to_there[i].is_none() && self.to_here[j].is_none() {
                    self.match_site(i, j, "structure");
                }
            }
        }
    }

    fn match_site(&mut self, i: usize, j: usize, matched_by: &'static str) {
        self.accept(i, j, matched_by);
        self.parameters_of(i, j);
    }

    /// Candidates of every open activation with their scores, the best first.
    fn candidates(&self) -> Vec<(usize, Vec<(i64, usize)>)> {
        let open = |i: &usize| self.to_there[*i].is_none() && !self.here.site(*i).parameter;
        (0..self.to_there.len())
            .filter(open)
            .map(|i| {
                let open = |j: &usize| self.to_here[*j].is_none() && !self.there.site(*j).parameter;
                let scored = (0..self.to_here.len())
                    .filter(open)
                    .filter_map(|j| Some((self.score(i, j)?, j)));
                let mut scored: Vec<_> = scored.collect();
                scored.sort_by_key(|&(score, j)| (-score, j));
                (i, scored)
            })
            .collect()
    }

    /// Pairs each of which is the one best choice of both.
    fn best_pairs(&self) -> Vec<(usize, usize)> {
        let candidates = self.candidates();
        let mut best_there: HashMap<usize, (i64, usize, bool)> = HashMap::new();
        for (i, scored) in &candidates {
            for &(score, j) in scored {
                let entry = best_there.entry(j).or_insert((score, *i, true));
                match score.cmp(&entry.0) {
                    std::cmp::Ordering::Greater => *entry = (score, *i, true),
                    std::cmp::Ordering::Equal if entry.1 != *i => entry.2 = false,
                    _ => {}
                }
            }
        }
        let certain = |(i, scored): &(usize, Vec<(i64, usize)>)| {
            let &(score, j) = scored.first()?;
            let alone = scored.get(1).is_none_or(|next| next.0 < score);
            let &(_, back, unique) = best_there.get(&j)?;
            (alone && unique && back == *i).then_some((*i, j))
        };
        candidates.iter().filter_map(certain).collect()
    }

    fn first_of_equals(&self) -> Option<(usize, usize)> {
        let candidates = self.candidates();
        let best = candidates
            .iter()
            .filter_map(|(i, scored)| Some((scored.first()?.0, *i, scored.first()?.1)));
        let (_, i, j) = best.max_by_key(|&(score, i, _)| (score, std::cmp::Reverse(i)))?;
        Some((i, j))
    }

    /// How much speaks for two activations being the same; `None` where they cannot be, or nothing connects them.
    fn score(&self, i: usize, j: usize) -> Option<i64> {
        let (a, b) = (self.here.site(i), self.there.site(j));
        let before = self.neighbours(&a.leaves, &b.leaves);
        let sites = |list: &[usize]| list.iter().map(|&i| Leaf::Site(i)).collect::<Vec<_>>();
        let after = self.neighbours(&sites(&self.after_here[i]), &sites(&self.after_there[j]));
        // The shapes last: they cost the most.
        if before.0 + after.0 == 0 || self.layouts(i, j).is_empty() {
            return None;
        }
        let shared = a.operations.intersection(&b.operations).count() as i64;
        let other = a.operations.symmetric_difference(&b.operations).count() as i64;
        let step = i64::from(self.here.step(i) == self.there.step(j));
        let fan = a.leaves.len().abs_diff(b.leaves.len())
            + self.after_here[i].len().abs_diff(self.after_there[j].len());
        let neighbours = before.0 + after.0 - before.1 - after.1;
        let own = OPERATION * shared - other + STEP * step - FAN * fan as i64;
        Some(NEIGHBOUR * neighbours + own)
    }

    /// How many neighbours are the same, and how many have counterparts elsewhere.
    fn neighbours(&self, here: &[Leaf], there: &[Leaf]) -> (i64, i64) {
        let (mut same, mut elsewhere) = (0, 0);
        for leaf in here {
            match self.counterpart(*leaf) {
                Some(other) if there.contains(&other) => same += 1,
                Some(_) => elsewhere += 1,
                None => {}
            }
        }
        (same, elsewhere)
    }

    fn counterpart(&self, leaf: Leaf) -> Option<Leaf> {
        match leaf {
            Leaf::Site(i) => self.to_there[i].map(Leaf::Site),
            Leaf::Input(i) => self.inputs.get(&i).map(|&j| Leaf::Input(j)),
        }
    }

    /// The parameters of two matched sites: those that are left, by shape and order.
    fn parameters_of(&mut self, i: usize, j: usize) {
        let open = |side: Side, matched: &[Option<usize>], leaves: &[Leaf]| -> Vec<usize> {
            let site = |leaf: &Leaf| match leaf {
                Leaf::Site(i) => Some(*i),
                Leaf::Input(_) => None,
            };
            leaves
                .iter()
                .filter_map(site)
                .filter(|&i| side.site(i).parameter && matched[i].is_none())
                .collect()
        };
        let here = open(self.here, &self.to_there, &self.here.site(i).leaves);
        let there = open(self.there, &self.to_here, &self.there.site(j).leaves);
        // Equal ones first, whatever their order.
        for equal in [true, false] {
            for &a in &here {
                let fits = |&&b: &&usize| {
                    self.to_here[b].is_none()
                        && if equal {
                            self.same_parameter(a, b)
                        } else {
                            !self.layouts(a, b).is_empty()
                        }
                };
                if let Some(&b) = there.iter().find(fits).filter(|_| self.to_there[a].is_none()) {
                    self.accept(a, b, "the operator that reads it");
                }
            }
        }
    }
}
