//! Documents as owners write them, and as nobody should.

use serde_json::{Value, json};

use super::*;

mod hostile;
mod misfit;

/// A document of one operation.
fn document(operation: Value) -> Value {
    json!({ "openapi": "3.1.0", "paths": { "/persons": { "post": operation } } })
}

fn answering(schema: Value) -> Value {
    json!({ "200": { "content": { "application/json": { "schema": schema } } } })
}

fn read(document: &Value) -> Result<Contract, ContractError> {
    Contract::from_openapi(document.to_string().as_bytes())
}

fn one(document: &Value) -> Operation {
    read(document).unwrap().operations.remove(0)
}

const REGISTRY: &str = "
openapi: 3.0.3
info: { title: Civil registry, version: '1.0' }
paths:
  /persons/{nid}:
    parameters:
      - $ref: '#/components/parameters/nid'
      - { name: lang, in: query, schema: { type: string, maxLength: 2 } }
    get:
      operationId: lookup
      summary: Looks a person up
      x-summary-ar: البحث عن شخص
      parameters:
        - { name: lang, in: query, schema: { type: string, enum: [ar, en] } }
        - { name: Accept, in: header, required: true, schema: { type: string } }
        - { name: trace, in: header, schema: { type: string } }
      responses:
        200:
          content:
            application/json: { schema: { $ref: '#/components/schemas/Person' } }
        404: { description: unknown }
    put:
      x-mohawel-ar: تعديل
      requestBody:
        content:
          application/json; charset=utf-8:
            schema: { $ref: '#/components/schemas/Person' }
      responses:
        204: { description: done }
  /persons:
    post:
      operationId: search
      requestBody: { $ref: '#/components/requestBodies/Search' }
      responses:
        default: { description: broken }
        201: { $ref: '#/components/responses/People' }
components:
  parameters:
    nid:
      name: nid
      in: path
      required: true
      x-mohawel-subject: nid
      schema: { type: string, pattern: '^[0-9]{14}$' }
  requestBodies:
    Search:
      content:
        text/plain: { schema: { type: string } }
        application/vnd.gov+json:
          schema:
            type: object
            properties:
              mother: { $ref: '#/components/schemas/Nid' }
              age: { type: integer, minimum: 0, exclusiveMinimum: true, maximum: 150, exclusiveMaximum: false }
            required: [mother]
  responses:
    People:
      content:
        application/json:
          schema: { type: array, items: { $ref: '#/components/schemas/Person' } }
  schemas:
    Nid: { type: string, x-mohawel-subject: nid, example: '29001011234567' }
    Unused: { $ref: 'http://example.com/never-read' }
    Alias: { $ref: '#/components/schemas/Person' }
    Person:
      type: object
      required: [id, name, secret]
      properties:
        id: { type: string, readOnly: true }
        secret: { type: string, writeOnly: true }
        name: { type: string, nullable: true, x-internal: 1 }
        sex: { type: string, enum: [f, m], nullable: true }
        spouse: { nullable: true, allOf: [{ $ref: '#/components/schemas/Alias' }] }
        children: { type: array, items: { $ref: '#/components/schemas/Person', description: passed over } }
";

#[test]
fn a_registry_in_yaml_becomes_its_operations() {
    let contract = Contract::from_openapi(REGISTRY.as_bytes()).unwrap();
    let names: Vec<_> = contract
        .operations
        .iter()
        .map(|operation| operation.name.as_str())
        .collect();
    assert_eq!(names, ["lookup", "put.persons.nid", "search"]);
    let lookup = contract.operation("lookup").unwrap();
    assert_eq!(lookup.method.as_deref(), Some("GET"));
    assert_eq!(lookup.path.as_deref(), Some("/persons/{nid}"));
    assert_eq!(lookup.summary_en.as_deref(), Some("Looks a person up"));
    assert_eq!(lookup.summary_ar.as_deref(), Some("البحث عن شخص"));
    assert_eq!(
        lookup.request_schema,
        json!({
            "type": "object",
            "properties": {
                "lang": { "type": "string", "enum": ["ar", "en"] },
                "nid": { "type": "string", "pattern": "^[0-9]{14}$", "x-mohawel-subject": "nid" },
            },
            "required": ["nid"],
            "additionalProperties": false,
        })
    );
    let fields = ["children", "id", "name", "secret", "sex", "spouse"];
    assert_eq!(lookup.fields, fields);
    assert_eq!(
        lookup.subjects,
        [Subject {
            pointer: "/nid".to_owned(),
            scheme: "nid".to_owned()
        }]
    );
    let search = contract.operation("search").unwrap();
    assert_eq!(search.summary_en, None);
    assert_eq!(search.subjects[0].pointer, "/mother");
    assert_eq!(search.fields, fields);
    assert_eq!(
        search.request_schema,
        json!({
            "type": "object",
            "properties": {
                "mother": { "$ref": "#/$defs/Nid" },
                "age": { "type": "integer", "exclusiveMinimum": 0, "maximum": 150 },
            },
            "required": ["mother"],
            "$defs": { "Nid": { "type": "string", "x-mohawel-subject": "nid" } },
        })
    );
    let put = contract.operation("put.persons.nid").unwrap();
    assert_eq!(put.summary_ar.as_deref(), Some("تعديل"));
    assert!(put.fields.is_empty());
    assert_eq!(
        put.answer_schema,
        json!({ "type": "object", "additionalProperties": false })
    );
    assert_eq!(
        put.request_schema["required"],
        json!(["name", "secret", "nid"])
    );
}

#[test]
fn what_refers_to_itself_is_bundled_once_and_stands_by_itself() {
    let contract = Contract::from_openapi(REGISTRY.as_bytes()).unwrap();
    let schema = &contract.operation("lookup").unwrap().answer_schema;
    let person = &schema["$defs"]["Person"];
    assert_eq!(schema["$defs"].as_object().unwrap().len(), 1);
    assert_eq!(schema["properties"], person["properties"]);
    assert_eq!(person["required"], json!(["id", "name"]));
    assert_eq!(
        person["properties"]["name"],
        json!({ "type": ["string", "null"] })
    );
    assert_eq!(
        person["properties"]["sex"],
        json!({ "type": ["string", "null"], "enum": ["f", "m", null] })
    );
    assert_eq!(
        person["properties"]["spouse"],
        json!({ "anyOf": [{ "type": "null" }, { "allOf": [{ "$ref": "#/$defs/Person" }] }] })
    );
    assert_eq!(
        person["properties"]["children"],
        json!({ "type": "array", "items": { "$ref": "#/$defs/Person" } })
    );
    let validator = Validator::new(schema).unwrap();
    let good = json!({ "id": "1", "name": null, "sex": null, "spouse": { "id": "2", "name": "س" }, "children": [] });
    validator.judge(&good).unwrap();
    let bad = json!({ "id": "1", "name": null, "children": [{ "id": "2", "name": 7 }] });
    assert_eq!(
        validator.judge(&bad).unwrap_err().pointer,
        "/children/0/name"
    );
}

#[test]
fn json_and_yaml_of_one_document_are_one_contract() {
    let document = yaml::read(REGISTRY, 64).unwrap();
    let from_json = Contract::from_openapi(format!("\u{feff}\n {document:#}").as_bytes());
    assert_eq!(from_json, Contract::from_openapi(REGISTRY.as_bytes()));
}

#[test]
fn a_schema_of_openapi_3_1_is_taken_as_it_is() {
    let schema = json!({
        "type": ["object", "null"],
        "properties": {
            "a": { "$ref": "#/components/schemas/A", "minLength": 2, "description": "kept" },
            "b": { "const": 1 },
            "title": { "exclusiveMinimum": 3 },
            "n": { "properties": { "$ref": { "type": "string" } } },
            "c": { "$ref": "#/components/schemas/A/$defs/inner" },
            "d": { "$ref": "#/components/schemas/d~1e%7E1f" },
            "g": { "$ref": "#/components/schemas/other/properties/A" },
        },
        "examples": [{ "a": "29001011234567" }],
        "x-note": 1,
        "if": true,
    });
    let mut document = document(json!({ "operationId": "x", "responses": answering(schema) }));
    document["components"] = json!({ "schemas": {
        "A": { "type": "string", "$schema": "https://json-schema.org/draft/2020-12/schema", "$defs": { "inner": false } },
        "d/e~1f": { "type": "null" },
        "d/e/f": { "type": "boolean" },
        "other": { "properties": { "A": { "type": "integer" } } },
    } });
    document["jsonSchemaDialect"] = json!("https://spec.openapis.org/oas/3.1/dialect/base");
    let operation = one(&document);
    assert_eq!(
        operation.answer_schema,
        json!({
            "type": ["object", "null"],
            "properties": {
                "a": { "$ref": "#/$defs/A", "minLength": 2, "description": "kept" },
                "b": { "const": 1 },
                "title": { "exclusiveMinimum": 3 },
                "n": { "properties": { "$ref": { "type": "string" } } },
                "c": { "$ref": "#/$defs/inner" },
                "d": { "$ref": "#/$defs/def" },
                "g": { "$ref": "#/$defs/A-2" },
            },
            "if": true,
            "$defs": {
                "A": { "type": "string" },
                "A-2": { "type": "integer" },
                "inner": false,
                "def": { "type": "boolean" },
            },
        })
    );
}

#[test]
fn a_body_without_parameters_is_the_request_whatever_its_form() {
    let body = json!({ "oneOf": [{ "type": "array", "items": { "type": "string" } }, { "type": "integer" }] });
    let operation = one(&document(json!({
        "requestBody": { "content": { "application/json": { "schema": body } } },
        "responses": answering(json!({ "properties": { "a": {} } })),
    })));
    assert_eq!(operation.request_schema, body);
    assert_eq!(operation.name, "post.persons");
    let without = one(&document(
        json!({ "responses": answering(json!({ "properties": { "a": {} } })) }),
    ));
    let validator = Validator::new(&without.request_schema).unwrap();
    assert!(validator.judge(&json!({})).is_ok());
    assert!(validator.judge(&json!({ "a": 1 })).is_err());
}

#[test]
fn a_parameter_may_describe_itself_by_its_content() {
    let operation = one(&document(json!({
        "parameters": [{ "name": "q", "in": "query", "content": { "application/json": { "schema": true } } }],
        "responses": answering(json!({ "properties": { "a": {} } })),
    })));
    assert_eq!(operation.request_schema["properties"], json!({ "q": {} }));
}

#[test]
fn a_path_may_be_described_elsewhere_in_the_document() {
    let contract = read(&json!({
        "openapi": "3.1.0",
        "paths": {
            "x-note": 1,
            "/a": { "$ref": "#/components/pathItems/a" },
            "/b/{x}/c.d/{y}": {
                "parameters": [
                    { "name": "x", "in": "path", "required": true, "schema": {} },
                    { "name": "y", "in": "path", "required": true, "schema": {} },
                ],
                "get": { "responses": { "2XX": { "content": { "application/json": { "schema": { "properties": { "a": {} } } } } } } },
                "head": { "responses": {} },
            },
        },
        "components": { "pathItems": { "a": { "delete": { "responses": { "202": {}, "x-note": 1 } } } } },
    }))
    .unwrap();
    let names: Vec<_> = contract
        .operations
        .iter()
        .map(|operation| &operation.name)
        .collect();
    assert_eq!(names, ["delete.a", "get.b.x.c-d.y"]);
}

#[test]
fn schemas_alone_are_a_service_too() {
    let file = r##"
        [operations.lookup]
        summary_ar = "بحث"
        request = { type = "object", properties = { nid = { "$ref" = "#/$defs/nid" } }, "$defs" = { nid = { type = "string", x-mohawel-subject = "nid" } } }
        answer = { type = "array", items = { "$ref" = "#/definitions/person" }, definitions = { person = { properties = { name = {}, parent = { "$ref" = "#/items" }, all = { "$ref" = "#" } } } } }
    "##;
    let set: SchemaSet = toml::from_str(file).unwrap();
    let contract = Contract::from_schemas(&set).unwrap();
    let lookup = contract.operation("lookup").unwrap();
    assert_eq!(lookup.method, None);
    assert_eq!(lookup.fields, ["all", "name", "parent"]);
    assert_eq!(lookup.subjects[0].pointer, "/nid");
    assert_eq!(
        lookup.answer_schema["$defs"]["person"]["properties"],
        json!({ "name": {}, "parent": { "$ref": "#/$defs/person" }, "all": { "$ref": "#/$defs/root" } })
    );
    assert_eq!(lookup.answer_schema["$defs"]["root"]["type"], "array");
    let again: SchemaSet = serde_json::from_value(serde_json::to_value(&set).unwrap()).unwrap();
    assert_eq!(Contract::from_schemas(&again), Ok(contract));
    assert!(serde_json::from_value::<SchemaSet>(json!({ "operations": {}, "x": 1 })).is_err());
    assert_eq!(
        Contract::from_schemas(&SchemaSet::default()),
        Err(ContractError::NoOperation)
    );
}

#[test]
fn a_schema_that_refers_to_its_own_root_twice_has_it_once() {
    let set = SchemaSet {
        operations: [(
            "tree".to_owned(),
            OperationSchemas {
                request: json!({}),
                answer: json!({ "properties": { "left": { "$ref": "#" }, "right": { "$ref": "#" } } }),
                ..OperationSchemas::default()
            },
        )]
        .into(),
    };
    let contract = Contract::from_schemas(&set).unwrap();
    let schema = &contract.operations[0].answer_schema;
    assert_eq!(schema["$defs"].as_object().unwrap().len(), 1);
    assert!(
        Validator::new(schema)
            .unwrap()
            .judge(&json!({ "left": { "right": {} } }))
            .is_ok()
    );
}
