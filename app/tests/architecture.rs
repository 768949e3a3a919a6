//! The rules that ARCHITECTURE.md states, kept: which crate may use which, and how large a piece may grow.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use cargo_metadata::MetadataCommand;
use syn::spanned::Spanned;
use syn::visit::Visit;

const MAX_FUNCTION_LINES: usize = 60;
const MAX_FILE_LINES: usize = 400;

/// What kind of crate stands in a folder, and which kinds it may use besides libraries of others.
fn layer(folder: &str) -> (&'static str, &'static [&'static str]) {
    match folder {
        "domain" => ("domain", &[]),
        "models" => ("models", &["domain"]),
        "breaker" | "metrics" | "tls" => ("leaf", &["leaf"]),
        "bus" => ("contract", &["domain"]),
        "store" => ("contract", &["vault", "domain"]),
        "vault" => ("vault", &["domain"]),
        "cache" | "limits" => ("shared", &["domain", "leaf"]),
        "web" => ("shared", &["vault", "domain", "leaf"]),
        "work" => ("shared", &["contract", "vault", "domain", "leaf"]),
        "client" => ("client", &["domain", "leaf"]),
        "bench" => (
            "bench",
            &[
                "engine", "contract", "vault", "shared", "role", "client", "domain", "app", "leaf", "kit",
                "models",
            ],
        ),
        "app" => {
            ("app", &["role", "engine", "shared", "contract", "vault", "client", "domain", "leaf", "models"])
        }
        role if role.starts_with("roles/") => {
            ("role", &["shared", "contract", "vault", "domain", "leaf", "models"])
        }
        "cache/conformance" | "limits/conformance" => ("kit", &["shared", "domain", "kit"]),
        kit if kit.ends_with("/conformance") => ("kit", &["contract", "vault", "domain", "kit"]),
        "checks" => ("checks", &["domain"]),
        "work/testkit" => ("kit", &["engine", "contract", "vault", "shared", "domain"]),
        "conformance" | "powerloss" | "servers" => ("kit", &[]),
        "cache/redis" | "limits/redis" => ("engine", &["shared", "domain", "leaf"]),
        "bus/outgoing" => ("parts", &["contract", "domain"]),
        engine if engine.starts_with("bus/") || engine.starts_with("store/") => {
            ("engine", &["parts", "contract", "vault", "domain", "leaf"])
        }
        other => {
            panic!("{other} has no place in the architecture: name its layer here and in ARCHITECTURE.md")
        }
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

#[test]
fn arrows_point_inwards_and_roles_never_meet() {
    let metadata = MetadataCommand::new().manifest_path(root().join("Cargo.toml")).no_deps().exec().unwrap();
    let folders: BTreeMap<String, String> = metadata
        .packages
        .iter()
        .map(|package| {
            let folder =
                package.manifest_path.parent().unwrap().strip_prefix(&metadata.workspace_root).unwrap();
            (package.name.to_string(), folder.to_string())
        })
        .collect();
    let mut offences = Vec::new();
    for package in &metadata.packages {
        let (_, allowed) = layer(&folders[package.name.as_str()]);
        let normal = package
            .dependencies
            .iter()
            .filter(|used| used.kind != cargo_metadata::DependencyKind::Development);
        for used in normal.filter_map(|used| folders.get(&used.name).map(|folder| (used, folder))) {
            let (kind, _) = layer(used.1);
            if !allowed.contains(&kind) {
                offences.push(format!("{} must not use {}", package.name, used.0.name));
            }
        }
    }
    assert!(folders.len() > 15, "only {} crates were looked at", folders.len());
    assert!(offences.is_empty(), "{offences:#?}");
}

#[test]
fn every_crate_obeys_the_lints_of_the_workspace() {
    let metadata = MetadataCommand::new().manifest_path(root().join("Cargo.toml")).no_deps().exec().unwrap();
    for package in &metadata.packages {
        let manifest = std::fs::read_to_string(&package.manifest_path).unwrap();
        assert!(manifest.contains("[lints]\nworkspace = true"), "{} has lints of its own", package.name);
    }
}

/// Where unsafe code may stand: SQLite asks for file systems as tables of C functions, and no part of the binary does.
const UNSAFE: &str = "powerloss/src/vfs.rs";

#[test]
fn unsafe_code_stands_in_one_file_that_only_tests_use() {
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    assert!(manifest.contains("unsafe_code = \"deny\""), "the workspace lets unsafe code pass");
    let lifts: Vec<PathBuf> = sources(&root())
        .into_iter()
        .filter(|path| std::fs::read_to_string(path).unwrap().contains("unsafe_code"))
        .map(|path| path.strip_prefix(root()).unwrap().to_owned())
        .filter(|path| path != Path::new("app/tests/architecture.rs"))
        .collect();
    assert_eq!(lifts, [Path::new(UNSAFE)], "who else lifts the lint?");
    let metadata = MetadataCommand::new().manifest_path(root().join("Cargo.toml")).no_deps().exec().unwrap();
    for package in &metadata.packages {
        let used = package.dependencies.iter().filter(|used| used.name == "ecs-powerloss");
        for used in used {
            let kind = used.kind;
            assert_eq!(kind, cargo_metadata::DependencyKind::Development, "{} uses it", package.name);
        }
    }
}

/// What people tell of themselves is kept to see whether decisions are fair. Whatever decides doesn't know that it is there.
#[test]
fn nothing_that_decides_knows_of_attributes() {
    let deciding = [
        "domain/src/features.rs",
        "domain/src/scorecard.rs",
        "domain/src/model",
        "models/src",
        "domain/src/policy",
        "domain/src/decision.rs",
        "roles/credit-analysis/src",
        "roles/user-and-credit/src/analysis",
        "roles/user-and-credit/src/features.rs",
        "work/src/policies",
        "web/src/handles/credit_analysis",
        "store/src/folds.rs",
        "store/src/credit.rs",
        "store/sqlite/src/folds",
        "store/sqlite/src/credit",
        "store/postgres/src/folds",
        "store/postgres/src/credit",
    ];
    for place in deciding.map(|place| root().join(place)) {
        let files = if place.is_dir() { sources(&place) } else { vec![place] };
        assert!(!files.is_empty());
        for file in files {
            let text = std::fs::read_to_string(&file).unwrap();
            for word in ["user_attributes", "attributes::", "AgeBand", "Region", "AttributesOfUsers"] {
                assert!(!text.contains(word), "{} knows of {word}", file.display());
            }
        }
    }
}

/// A library that nobody uses still costs everybody its build.
#[test]
fn every_library_that_a_crate_names_is_used_by_it() {
    let metadata = MetadataCommand::new().manifest_path(root().join("Cargo.toml")).no_deps().exec().unwrap();
    let mut idle = Vec::new();
    for package in &metadata.packages {
        let folder = package.manifest_path.parent().unwrap().as_std_path();
        // A contract's folder also holds the crates that implement it.
        let own = ["src", "build", "tests", "examples", "benches"].map(|part| folder.join(part));
        let code: String = own
            .iter()
            .filter(|part| part.is_dir())
            .flat_map(|part| sources(part))
            .map(|path| std::fs::read_to_string(path).unwrap())
            .collect();
        for used in &package.dependencies {
            let name = used.rename.as_ref().unwrap_or(&used.name).replace('-', "_");
            if !code.contains(&format!("{name}::")) && !code.contains(&format!("use {name}")) {
                idle.push(format!("{} names {}", package.name, used.name));
            }
        }
    }
    assert!(idle.is_empty(), "{idle:#?}");
}

#[test]
fn no_function_is_longer_than_a_page_and_no_file_than_a_chapter() {
    let mut seen = 0;
    let mut offences = Vec::new();
    for path in sources(&root()) {
        let text = std::fs::read_to_string(&path).unwrap();
        let file = syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let tests = file.items.iter().filter(|item| is_test_module(item));
        let test_lines: usize = tests.map(|item| lines(item.span())).sum();
        let own_lines = text.lines().count() - test_lines;
        if own_lines > MAX_FILE_LINES && !path.components().any(|part| part.as_os_str() == "tests") {
            offences.push(format!("{} has {own_lines} lines without its tests", path.display()));
        }
        let mut functions = Functions { path: &path, seen: 0, offences: Vec::new() };
        functions.visit_file(&file);
        seen += functions.seen;
        offences.extend(functions.offences);
    }
    assert!(seen > 300, "only {seen} functions were looked at");
    assert!(offences.is_empty(), "{offences:#?}");
}

/// The eighth of the known faults. Tests wait for what they want until a deadline, or move a paused clock: one that sleeps
/// for a fixed time is slow when that is too long and fails when it is too short. None is left out, either.
#[test]
fn fault_8_tests_slept_a_fixed_time_and_were_flaky() {
    let mut sleepers = Sleepers::default();
    for path in sources(&root()) {
        let text = std::fs::read_to_string(&path).unwrap();
        let kinds = ["tests", "testkit", "conformance"];
        sleepers.in_tests = path.components().any(|part| kinds.iter().any(|kind| part.as_os_str() == *kind));
        sleepers.lines = text.lines().map(str::to_owned).collect();
        sleepers.path = path;
        sleepers.visit_file(&syn::parse_file(&text).unwrap());
    }
    assert!(sleepers.tests > 300, "only {} tests were looked at", sleepers.tests);
    assert!(sleepers.patient > 3, "only {} functions poll: does this still find them?", sleepers.patient);
    assert!(sleepers.offences.is_empty(), "{:#?}", sleepers.offences);
}

#[derive(Default)]
struct Sleepers {
    path: PathBuf,
    lines: Vec<String>,
    in_tests: bool,
    tests: usize,
    patient: usize,
    offences: Vec<String>,
}

impl<'ast> Visit<'ast> for Sleepers {
    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        let before = self.in_tests;
        self.in_tests |= module.attrs.iter().any(|attribute| attribute.path().is_ident("cfg"));
        syn::visit::visit_item_mod(self, module);
        self.in_tests = before;
    }

    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        let (start, end) = (function.span().start().line, function.span().end().line);
        let text = self.lines[start - 1..end].join("\n");
        self.tests += usize::from(text.contains("#[test]") || text.contains("#[tokio::test"));
        if self.in_tests && text.contains("sleep(") {
            let patient = text.contains("deadline") || text.contains("start_paused");
            self.patient += usize::from(patient);
            if !patient {
                self.offences.push(format!(
                    "{}: {} sleeps without a deadline",
                    self.path.display(),
                    function.sig.ident
                ));
            }
        }
        if function.attrs.iter().any(|attribute| attribute.path().is_ident("ignore")) {
            self.offences.push(format!("{}: {} is left out", self.path.display(), function.sig.ident));
        }
        syn::visit::visit_item_fn(self, function);
    }
}

#[test]
fn the_readme_names_both_commands_and_links_what_exists() {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    assert!(readme.contains("make run") && readme.contains("make test"));
    for target in readme.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
        let file = target.split('#').next().unwrap_or_default();
        let elsewhere = target.starts_with("http") || file.is_empty();
        assert!(elsewhere || root().join(file).exists(), "README.md links {target}, which isn't there");
    }
}

struct Functions<'a> {
    path: &'a Path,
    seen: usize,
    offences: Vec<String>,
}

impl Functions<'_> {
    fn check(&mut self, name: &syn::Ident, span: proc_macro2::Span) {
        self.seen += 1;
        let lines = lines(span);
        if lines > MAX_FUNCTION_LINES {
            self.offences.push(format!("{}: fn {name} has {lines} lines", self.path.display()));
        }
    }
}

impl<'ast> Visit<'ast> for Functions<'_> {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.check(
            &item.sig.ident,
            item.block.span().join(item.sig.span()).unwrap_or_else(|| item.block.span()),
        );
        syn::visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.check(&item.sig.ident, item.block.span());
        syn::visit::visit_impl_item_fn(self, item);
    }
}

fn is_test_module(item: &syn::Item) -> bool {
    matches!(item, syn::Item::Mod(module) if module.attrs.iter().any(|attribute| attribute.path().is_ident("cfg")))
}

fn lines(span: proc_macro2::Span) -> usize {
    span.end().line + 1 - span.start().line
}

/// Every Rust file of the project.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && name != "target" && name != "node_modules" && !name.starts_with('.') {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}
