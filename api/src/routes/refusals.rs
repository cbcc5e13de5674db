//! What every operation of one kind may refuse, said once: the limits, the extractors and `ApiError` make these
//! answers, whatever the handler does.

use utoipa::openapi::path::{Operation, Parameter, ParameterIn};
use utoipa::openapi::{
    ContentBuilder, ObjectBuilder, OpenApi, PathItem, Ref, RefOr, Response, ResponseBuilder,
    schema::Type, security::SecurityRequirement,
};

/// The media type of problem details (RFC 9457).
const PROBLEM: &str = "application/problem+json";
/// Where a schema of the document is.
const PROBLEM_REF: &str = "#/components/schemas/Problem";

/// Adds to each operation what it may answer beside what it says itself.
pub(super) fn document(document: &mut OpenApi) {
    for (path, item) in &mut document.paths.paths {
        let refused: fn(&str) -> Response = if path.starts_with("/open/ngsi-ld/") {
            ngsi_error
        } else {
            problem
        };
        for (changes, operation) in operations(item) {
            complete(operation, changes, refused);
        }
    }
}

/// A path's operations, each with whether it may change something.
fn operations(item: &mut PathItem) -> impl Iterator<Item = (bool, &mut Operation)> {
    let all = [
        (false, &mut item.get),
        (true, &mut item.put),
        (true, &mut item.post),
        (true, &mut item.delete),
        (true, &mut item.patch),
    ];
    all.into_iter()
        .filter_map(|(changes, operation)| Some((changes, operation.as_mut()?)))
}

fn complete(operation: &mut Operation, changes: bool, refused: fn(&str) -> Response) {
    for response in operation.responses.responses.values_mut() {
        told_as(refused, response);
    }
    let mut params = operation.parameters.take().unwrap_or_default();
    params.iter_mut().for_each(restrict);
    let any = |of: ParameterIn| params.iter().any(|param| param.parameter_in == of);
    let has_body = operation.request_body.is_some();
    let has_name = any(ParameterIn::Path);
    let has_key = params.iter().any(is_key);
    let has_words = has_body || any(ParameterIn::Query) || any(ParameterIn::Header);
    operation.parameters = (!params.is_empty()).then_some(params);
    let staff = SecurityRequirement::new("staff", [] as [&str; 0]);
    let is_staff = operation.security.iter().flatten().any(|of| *of == staff);
    let is_secured = operation.security.as_ref().is_some_and(|of| !of.is_empty());
    let may = [
        (has_words, "400", "It cannot be read"),
        (is_secured, "401", "A valid token is needed"),
        (
            is_staff,
            "403",
            "Not theirs; or a second factor is needed first, or a confirmation",
        ),
        (changes, "403", "Another site's page asks for it"),
        (has_name, "404", "There is no such thing"),
        (has_body, "408", "The body took too long to arrive"),
        (has_body, "413", "The body is too large"),
        (
            has_key,
            "422",
            "The key was used for another request, or it cannot be done as asked",
        ),
        (
            true,
            "503",
            "Too much at once, or a part is away; see Retry-After",
        ),
    ];
    let known = &mut operation.responses.responses;
    for (_, status, what) in may.into_iter().filter(|(may, ..)| *may) {
        let answer = || RefOr::T(refused(what));
        known.entry(status.to_owned()).or_insert_with(answer);
    }
}

/// The attribute of a handler says `body = Problem`, which is JSON to it.
fn told_as(refused: fn(&str) -> Response, response: &mut RefOr<Response>) {
    let RefOr::T(response) = response else {
        return;
    };
    let is_problem = response.content.values().any(
        |content| matches!(&content.schema, Some(RefOr::Ref(to)) if to.ref_location == PROBLEM_REF),
    );
    if is_problem {
        response.content = refused(&response.description).content;
    }
}

fn is_key(param: &Parameter) -> bool {
    param.name.eq_ignore_ascii_case("idempotency-key")
}

/// Says which values a parameter takes, where its type does not.
fn restrict(param: &mut Parameter) {
    let text = ObjectBuilder::new().schema_type(Type::String);
    if is_key(param) {
        let key = text
            .min_length(Some(8))
            .max_length(Some(128))
            .pattern(Some("^[!-~]+$"));
        param.schema = Some(key.into());
    } else if param.schema.is_none() {
        param.schema = Some(text.into());
    }
}

fn problem(what: &str) -> Response {
    let content = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name("Problem")))
        .build();
    ResponseBuilder::new()
        .description(what)
        .content(PROBLEM, content)
        .build()
}

/// NGSI-LD has a form of errors of its own.
fn ngsi_error(what: &str) -> Response {
    let content = ContentBuilder::new().build();
    ResponseBuilder::new()
        .description(what)
        .content("application/json", content)
        .build()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::Value;

    /// Each operation of the document, by its method and path.
    fn operations() -> Vec<(String, Value)> {
        let document = serde_json::to_value(super::super::openapi()).unwrap();
        let paths = document["paths"].as_object().unwrap();
        let all = paths.iter().flat_map(|(path, item)| {
            let methods = item.as_object().unwrap().iter();
            methods.map(move |(method, operation)| (format!("{method} {path}"), operation.clone()))
        });
        all.collect()
    }

    #[test]
    fn every_operation_says_what_it_may_refuse() {
        let operations = operations();
        assert!(operations.len() > 80, "{}", operations.len());
        for (name, operation) in operations {
            let says = |status: &str| operation["responses"][status].is_object();
            let asks = |place: &str| {
                let mut params = operation["parameters"].as_array().into_iter().flatten();
                params.any(|param| param["in"] == place)
            };
            assert!(says("503"), "{name}");
            assert!(!asks("path") || says("404"), "{name}");
            assert!(!asks("query") || says("400"), "{name}");
            assert!(operation["security"].is_null() || says("401"), "{name}");
            let has_body = operation["requestBody"].is_object();
            assert!(
                !has_body || ["400", "408", "413"].into_iter().all(says),
                "{name}"
            );
        }
    }

    #[test]
    fn every_refusal_with_a_problem_is_of_its_media_type() {
        for (name, operation) in operations() {
            for (status, response) in operation["responses"].as_object().unwrap() {
                let content = response["content"].as_object();
                for (media, told) in content.into_iter().flatten() {
                    let is_problem = told["schema"]["$ref"] == super::PROBLEM_REF;
                    assert_eq!(is_problem, media == super::PROBLEM, "{status} of {name}");
                }
            }
        }
    }
}
