//! Reads what [`crate::Metrics::render`] writes, more strictly than Prometheus does; for tests.

use std::collections::{BTreeMap, BTreeSet};

/// What a process said of itself.
#[derive(Debug, Default)]
pub struct Exposition {
    /// The families, by their names.
    pub families: BTreeMap<String, String>,
    /// Every series, in the order of the text.
    pub samples: Vec<Sample>,
}

/// One line with a value.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// With its suffix: `_total`, `_bucket`, `_sum`, `_count`.
    pub name: String,
    /// By their names.
    pub labels: BTreeMap<String, String>,
    /// What it says.
    pub value: f64,
}

impl Exposition {
    /// Reads a whole text. What is wrong is said with the number of its line.
    pub fn read(text: &str) -> Result<Self, String> {
        let text = text.strip_suffix("# EOF\n").ok_or("the text doesn't end with # EOF")?;
        let mut reader = Reader::default();
        for (at, line) in text.lines().enumerate() {
            reader.line(line).map_err(|fault| format!("line {}, {line:?}: {fault}", at + 1))?;
        }
        reader.finish_family()?;
        Ok(reader.read)
    }

    /// The sum over the series of this name that have these labels, whatever else they have; `None` without one.
    #[must_use]
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let fits = |sample: &&Sample| {
            let has = |(key, value): &(&str, &str)| sample.labels.get(*key).is_some_and(|has| has == value);
            sample.name == name && labels.iter().all(has)
        };
        self.samples.iter().filter(fits).map(|sample| sample.value).reduce(|sum, value| sum + value)
    }
}

/// What has been read, and the family that is being read.
#[derive(Default)]
struct Reader {
    read: Exposition,
    seen: BTreeSet<String>,
    family: Option<Family>,
}

/// A family's head, and where its samples begin.
struct Family {
    name: String,
    kind: String,
    begins: usize,
}

impl Reader {
    fn line(&mut self, line: &str) -> Result<(), String> {
        match line.strip_prefix("# ") {
            Some(head) => self.head(head),
            None => self.sample(line),
        }
    }

    fn head(&mut self, head: &str) -> Result<(), String> {
        let mut words = head.splitn(3, ' ');
        let (Some(what), Some(name), Some(text)) = (words.next(), words.next(), words.next()) else {
            return Err("a head has a word, a name and a text".to_owned());
        };
        match what {
            "HELP" => {
                self.finish_family()?;
                check_name(name)?;
                if self.read.families.insert(name.to_owned(), String::new()).is_some() {
                    return Err("the family was there before".to_owned());
                }
                let begins = self.read.samples.len();
                self.family = Some(Family { name: name.to_owned(), kind: String::new(), begins });
                Ok(())
            }
            "TYPE" | "UNIT" => {
                let begun = self.read.samples.len();
                let family = self.family.as_mut().filter(|family| family.name == name);
                let family = family.ok_or("its HELP is missing")?;
                if family.begins != begun {
                    return Err("samples stand before it".to_owned());
                }
                if what == "UNIT" {
                    let ends = name.strip_suffix(text).is_some_and(|name| name.ends_with('_'));
                    return if ends { Ok(()) } else { Err("the name doesn't end with the unit".to_owned()) };
                }
                if !["counter", "gauge", "histogram"].contains(&text) {
                    return Err("an unknown type".to_owned());
                }
                text.clone_into(&mut family.kind);
                self.read.families.insert(name.to_owned(), text.to_owned());
                Ok(())
            }
            _ => Err("neither HELP nor TYPE nor UNIT".to_owned()),
        }
    }

    fn sample(&mut self, line: &str) -> Result<(), String> {
        let family = self.family.as_ref().ok_or("a sample without a family")?;
        let sample = read_sample(line)?;
        let suffix = sample.name.strip_prefix(&family.name).ok_or("a sample of another family")?;
        let suffixes: &[&str] = match family.kind.as_str() {
            "counter" => &["_total"],
            "gauge" => &[""],
            "histogram" => &["_bucket", "_sum", "_count"],
            _ => return Err("the family has no type".to_owned()),
        };
        if !suffixes.contains(&suffix) {
            return Err(format!("{suffix:?} is no suffix of a {}", family.kind));
        }
        if sample.value.is_nan() || (family.kind != "gauge" && sample.value < 0.0) {
            return Err("a value that can't be".to_owned());
        }
        if !self.seen.insert(format!("{} {:?}", sample.name, sample.labels)) {
            return Err("the series was there before".to_owned());
        }
        self.read.samples.push(sample);
        Ok(())
    }

    /// A histogram's buckets add up.
    fn finish_family(&mut self) -> Result<(), String> {
        let Some(Family { name, kind, begins }) = self.family.take() else { return Ok(()) };
        let samples = self.read.samples.get(begins..).unwrap_or_default();
        if samples.is_empty() {
            return Err(format!("{name} has no series"));
        }
        if kind != "histogram" {
            return Ok(());
        }
        let mut last: Option<(BTreeMap<String, String>, f64, f64)> = None;
        for bucket in samples.iter().filter(|sample| sample.name.ends_with("_bucket")) {
            let mut labels = bucket.labels.clone();
            let bound = labels.remove("le").ok_or(format!("a bucket of {name} has no bound"))?;
            let bound = if bound == "+Inf" { f64::INFINITY } else { number(&bound)? };
            if let Some((same, below, count)) = &last
                && *same == labels
                && (*below >= bound || *count > bucket.value)
            {
                return Err(format!("the buckets of {name} {labels:?} don't rise"));
            }
            let counted = |sample: &&Sample| sample.name.ends_with("_count") && sample.labels == labels;
            let count = samples.iter().find(counted).map(|count| count.value);
            if bound.is_infinite() && count != Some(bucket.value) {
                return Err(format!("{name} {labels:?} counts {count:?}, its buckets {}", bucket.value));
            }
            last = Some((labels, bound, bucket.value));
        }
        Ok(())
    }
}

fn read_sample(line: &str) -> Result<Sample, String> {
    let (head, value) = line.rsplit_once(' ').ok_or("a sample has a value")?;
    let (name, labels) = match head.split_once('{') {
        None => (head, BTreeMap::new()),
        Some((name, labels)) => (name, read_labels(labels.strip_suffix('}').ok_or("the labels don't end")?)?),
    };
    check_name(name)?;
    Ok(Sample { name: name.to_owned(), labels, value: number(value)? })
}

/// Values here are words of ours: none holds a comma, a quote or anything to escape.
fn read_labels(labels: &str) -> Result<BTreeMap<String, String>, String> {
    let mut read = BTreeMap::new();
    for label in labels.split(',') {
        let (name, value) = label.split_once('=').ok_or("a label has a value")?;
        check_name(name)?;
        let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
        let value = value.filter(|value| !value.contains(['"', '\\'])).ok_or("a value stands in quotes")?;
        if read.insert(name.to_owned(), value.to_owned()).is_some() {
            return Err(format!("{name} stands there twice"));
        }
    }
    Ok(read)
}

fn check_name(name: &str) -> Result<(), String> {
    let starts = name.starts_with(|c: char| c.is_ascii_lowercase());
    let fits = name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if starts && fits { Ok(()) } else { Err(format!("{name:?} is no name")) }
}

fn number(text: &str) -> Result<f64, String> {
    text.parse().map_err(|_| format!("{text:?} is no number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_prometheus_would_stumble_over_is_refused() {
        let check = |text: &str, expect: &str| {
            let fault = Exposition::read(text).unwrap_err();
            assert!(fault.contains(expect), "{text}: {fault}");
        };
        let head = "# HELP a Help.\n# TYPE a counter\n";
        check(&format!("{head}a_total 1\n"), "# EOF");
        check(&format!("{head}a 1\n# EOF\n"), "suffix");
        check(&format!("{head}a_total -1\n# EOF\n"), "can't be");
        check(&format!("{head}a_total 1\na_total 2\n# EOF\n"), "before");
        check(&format!("{head}a_total 1\n{head}a_total{{x=\"y\"}} 1\n# EOF\n"), "before");
        check(&format!("{head}b_total 1\n# EOF\n"), "another family");
        check(&format!("{head}a_total{{x=\"1\",x=\"2\"}} 1\n# EOF\n"), "twice");
        check(&format!("{head}a_total{{x=1}} 1\n# EOF\n"), "quotes");
        check(&format!("{head}a_total one\n# EOF\n"), "no number");
        check(&format!("{head}\na_total 1\n# EOF\n"), "value");
        check(&format!("{head}# EOF\n"), "no series");
        check("a_total 1\n# EOF\n", "without a family");
        check("# TYPE a counter\n# EOF\n", "HELP");
        check("# HELP a Help.\n# TYPE a heap\n# EOF\n", "unknown type");
        check("# HELP a_bytes Help.\n# TYPE a_bytes gauge\n# UNIT a_bytes seconds\n# EOF\n", "unit");
        let head = "# HELP h Help.\n# TYPE h histogram\nh_sum 1\nh_count 2\n";
        check(&format!("{head}h_bucket{{le=\"1.0\"}} 3\nh_bucket{{le=\"+Inf\"}} 2\n# EOF\n"), "rise");
        check(&format!("{head}h_bucket{{le=\"1.0\"}} 1\nh_bucket{{le=\"+Inf\"}} 1\n# EOF\n"), "counts");
        check(&format!("{head}h_bucket 1\n# EOF\n"), "bound");
    }

    #[test]
    fn series_are_added_up_by_some_of_their_labels() {
        let text = "# HELP a Help.\n# TYPE a counter\na_total{x=\"1\",y=\"1\"} 2\na_total{x=\"1\",y=\"2\"} 3\n# EOF\n";
        let read = Exposition::read(text).unwrap();
        assert_eq!(read.sum("a_total", &[("x", "1")]), Some(5.0));
        assert_eq!(read.sum("a_total", &[("y", "2")]), Some(3.0));
        assert_eq!(read.sum("a_total", &[("y", "3")]), None);
    }
}
