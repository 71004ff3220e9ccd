//! The routes are written where each reader needs them; here all of those places must say the same.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a place that can't be read fails the test"
)]

use saphyr::{LoadableYamlNode as _, Yaml};
use std::{collections::BTreeSet, fs, path::Path};

/// A function, a method and a path.
type Route = (String, String, String);
type Routes = BTreeSet<Route>;

#[test]
fn every_place_that_lists_the_routes_lists_the_same() {
    let headers = headers();
    assert!(headers.len() >= 20, "only {} routes in the headers of main.rs: {headers:#?}", headers.len());
    let differences: Vec<_> = [
        ("the router in Cargo.toml", router()),
        ("infra/template.yaml", template()),
        ("the table in README.md", readme()),
    ]
    .into_iter()
    .flat_map(|(place, routes)| {
        let lacks = headers.difference(&routes).map(move |route| format!("{place} lacks {route:?}"));
        let only = routes.difference(&headers).map(move |route| format!("{place} alone has {route:?}"));
        lacks.chain(only).collect::<Vec<_>>()
    })
    .collect();
    assert!(differences.is_empty(), "compared with the headers of main.rs,\n{}", differences.join("\n"));
}

/// `//! `POST /surveys`, `POST /addsurvey` (access token): …` in each function's main.rs.
fn headers() -> Routes {
    let functions = fs::read_dir(root().join("functions")).expect("functions/ can be read");
    functions
        .flat_map(|function| {
            let function = function.unwrap().path();
            let name = function.file_name().unwrap().to_str().unwrap().to_owned();
            let source = read(&format!("functions/{name}/src/main.rs"));
            let paragraph: Vec<_> = source.lines().map_while(|line| line.strip_prefix("//! ")).collect();
            routes(&name, paragraph.join(" ").split(':').next().unwrap_or_default())
        })
        .collect()
}

/// `[workspace.metadata.lambda.watch.router]` in Cargo.toml.
fn router() -> Routes {
    let manifest: toml::Table = read("Cargo.toml").parse().expect("Cargo.toml is TOML");
    let router = ["metadata", "lambda", "watch", "router"]
        .iter()
        .fold(manifest.get("workspace"), |table, key| table?.get(key))
        .and_then(toml::Value::as_table);
    let text = |value: &toml::Value, key: &str| value[key].as_str().unwrap().to_owned();
    router
        .expect("Cargo.toml has the router")
        .iter()
        .flat_map(|(path, routes)| routes.as_array().unwrap().iter().map(move |route| (path, route)))
        .map(|(path, route)| (text(route, "function"), text(route, "method"), path.clone()))
        .collect()
}

/// The HTTP events of the functions in infra/template.yaml.
fn template() -> Routes {
    let template = read("infra/template.yaml");
    let template = Yaml::load_from_str(&template).expect("infra/template.yaml is YAML").remove(0);
    let mut routes = Routes::new();
    for function in
        members(&template, "Resources").filter_map(|resource| resource.as_mapping_get("Properties"))
    {
        for event in members(function, "Events").filter(|event| text(event, "Type") == "HttpApi") {
            let event = event.as_mapping_get("Properties").expect("an HttpApi event has properties");
            let code = text(function, "CodeUri");
            let name = code.strip_prefix("../target/lambda/").and_then(|code| code.strip_suffix('/'));
            let name = name.unwrap_or_else(|| panic!("CodeUri {code:?} is no function of ours"));
            routes.insert((
                name.to_owned(),
                text(event, "Method").to_owned(),
                text(event, "Path").to_owned(),
            ));
        }
    }
    routes
}

fn members<'a>(node: &'a Yaml<'a>, key: &str) -> impl Iterator<Item = &'a Yaml<'a>> {
    node.as_mapping_get(key).and_then(Yaml::as_mapping).into_iter().flat_map(|mapping| mapping.values())
}

fn text<'a>(node: &'a Yaml<'a>, key: &str) -> &'a str {
    node.as_mapping_get(key).and_then(Yaml::as_str).unwrap_or_default()
}

/// `| add-survey | `POST /surveys` · `POST /addsurvey` | … |` in README.md.
fn readme() -> Routes {
    let readme = read("README.md");
    let rows = readme.lines().filter_map(|line| {
        let mut cells = line.strip_prefix('|')?.split('|').map(str::trim);
        Some((cells.next()?.trim_matches('`'), cells.next()?))
    });
    rows.flat_map(|(function, cell)| routes(function, cell)).collect()
}

/// The routes among the texts in backticks.
fn routes(function: &str, text: &str) -> Vec<Route> {
    let quoted = text.split('`').skip(1).step_by(2);
    quoted
        .filter_map(|quoted| quoted.split_once(" /"))
        .map(|(method, path)| (function.to_owned(), method.to_owned(), format!("/{path}")))
        .collect()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path} can't be read: {e}"))
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}
