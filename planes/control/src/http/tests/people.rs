use axum::http::StatusCode;
use serde_json::{Value, json};

use super::world::*;

async fn enrolled() -> World {
    let world = World::with_integration().await;
    let client = json!({ "name": "batch", "integration": "acme", "jwks": public_keys() });
    world.post("/v1/clients", &client).await.expect(StatusCode::CREATED);
    world
}

pub async fn add_operator(world: &World, name: &str) -> String {
    let added = world.post("/v1/operators", &json!({ "name": name })).await;
    added.expect(StatusCode::CREATED)["token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_severance_is_answered_with_its_receipt() {
    let world = enrolled().await;
    let sever = |target: &str, reason: &str, dry_run: bool| json!({ "target": target, "reason": reason, "dry_run": dry_run });
    let preview = world.post("/v1/sever", &json!({ "target": "vendor/acme", "dry_run": true })).await;
    let preview = preview.expect(StatusCode::OK);
    assert_eq!((&preview["clients"], &preview["routes"]), (&json!(["batch"]), &json!(["acme-read"])));
    assert_eq!(preview["restore_needs_two"], true);
    world.post("/v1/sever", &sever("acme", "x", false)).await.refused(
        400,
        "`acme` is not a target",
        "`vendor/NAME`",
    );
    world.post("/v1/sever", &sever("vendor/none", "x", false)).await.refused(
        404,
        "there is no vendor `none`",
        "",
    );
    world.post("/v1/sever", &sever("vendor/acme", " ", false)).await.refused(
        422,
        "a reason is needed",
        "at night",
    );
    assert_eq!(world.get("/v1/severances").await.body["open"], json!([]));

    let receipt = world.post("/v1/sever", &sever("vendor/acme", "stolen keys", false)).await;
    let receipt = receipt.expect(StatusCode::OK);
    assert_eq!(receipt["answer"], "severed");
    assert_eq!((&receipt["by"], &receipt["reason"]), (&json!("admin"), &json!("stolen keys")));
    assert_eq!(receipt["gates"][0]["cores"], 2);
    assert_eq!(receipt["gates"][0]["connections"][0]["client_name"], "batch");
    assert_eq!(receipt["connections_total"], 1);
    assert_eq!(receipt["keys_refused"].as_array().unwrap().len(), 1);
    assert_eq!(receipt["single_operator"], true);
    assert!(receipt["recorded"]["ledger_sequence"].is_u64(), "{receipt}");
    let arms: Vec<&Value> =
        receipt["absent_arms"].as_array().unwrap().iter().map(|arm| &arm["arm"]).collect();
    assert_eq!(arms, ["tunnels", "packets", "sockets"]);

    // Severing again tells the gates again, and makes no second severance.
    let again = world.post("/v1/sever", &sever("vendor/acme", "x", false)).await;
    assert_eq!(again.expect(StatusCode::OK)["severance"], receipt["severance"]);
    assert!(again.body["notes"][0].as_str().unwrap().contains("severed already"), "{}", again.text);
    let open = world.get("/v1/severances").await;
    assert_eq!(open.body["open"][0]["target"], "vendor/acme");
    assert_eq!(
        open.body["open"][0]["cause"],
        json!({"by": "operator", "operator": "admin", "reason": "stolen keys"})
    );
    for kind in ["vendor/acme", "integration/acme", "client/batch"] {
        let status = &world.get(&format!("/v1/resources/{kind}")).await.body["status"];
        assert_eq!(status["severed"], true, "{kind}");
    }
    let keys = &world.get("/v1/resources/client/batch").await.body["status"]["keys"];
    assert_eq!(keys[0]["refused"], true);
    assert!(world.get("/metrics").await.text.contains("\nportcullis_severances_open 1\n"));
}

#[tokio::test]
async fn restoring_a_vendor_takes_two_people() {
    let world = enrolled().await;
    let other = add_operator(&world, "jo").await;
    let body = json!({ "target": "vendor/acme", "reason": "stolen keys" });
    world.post("/v1/sever", &body).await.expect(StatusCode::OK);
    let restore = json!({ "target": "vendor/acme" });
    let proposed = world.post("/v1/restore", &restore).await;
    assert_eq!(proposed.expect(StatusCode::OK)["answer"], "proposed");
    assert_eq!(proposed.body["single_operator"], false);
    assert_eq!(world.get("/v1/severances").await.body["proposals"][0]["proposed_by"], "admin");
    let confirm = json!({ "target": "vendor/acme", "confirm": proposed.body["id"] });
    world.post("/v1/restore", &confirm).await.refused(403, "who proposed can't confirm", "two people");
    let restored = world.send(request("POST", "/v1/restore", &other, Some(&confirm))).await;
    assert_eq!(restored.expect(StatusCode::OK)["answer"], "restored");
    assert_eq!(
        (&restored.body["proposed_by"], &restored.body["confirmed_by"]),
        (&json!("admin"), &json!("jo"))
    );
    world.post("/v1/restore", &confirm).await.refused(409, "is not open", "propose again");
    world.post("/v1/restore", &restore).await.refused(409, "is not severed", "");
    let no_id = json!({ "target": "vendor/acme", "confirm": "yes" });
    world.post("/v1/restore", &no_id).await.refused(400, "the body", "openapi");
}

#[tokio::test]
async fn a_removed_operator_commands_no_more() {
    let world = World::new().await;
    world.delete("/v1/operators/admin").await.refused(409, "is the last operator", "add another");
    let token = add_operator(&world, "Jo Example").await;
    assert!(token.starts_with("pcl_") && token.len() == 47, "{token}");
    let as_jo = |method: &str, path: &str| request(method, path, &token, None);
    let list = world.send(as_jo("GET", "/v1/operators")).await;
    let names: Vec<(&Value, &Value)> =
        list.body.as_array().unwrap().iter().map(|one| (&one["name"], &one["you"])).collect();
    assert_eq!(names, [(&json!("Jo Example"), &json!(true)), (&json!("admin"), &json!(false))]);
    assert!(!list.text.contains("token"), "{}", list.text);
    let removed = world.delete("/v1/operators/Jo%20Example").await;
    assert_eq!(removed.expect(StatusCode::OK)["single_operator"], true);
    world.send(as_jo("GET", "/v1/operators")).await.refused(401, "was removed", "");
    world.delete("/v1/operators/nobody").await.refused(404, "there is no operator `nobody`", "");
    for name in ["", " ", "a/b", "a\nb", &"x".repeat(65)] {
        let answer = world.post("/v1/operators", &json!({ "name": name })).await;
        answer.refused(422, "can't be an operator's name", "1 to 64");
    }
}

#[tokio::test]
async fn a_person_is_forgotten() {
    let world = World::new().await;
    let vendor = "kind: Vendor\nname: v\nspec:\n  legal_name: V\n  contacts:\n  - {name: Jo Example, email: jo@v.example}\n";
    world.apply(vendor).await.expect(StatusCode::OK);
    let shown = world.get("/v1/resources/vendor/v").await;
    assert_eq!(shown.body["spec"]["contacts"][0]["name"], "Jo Example");
    let subject = &shown.body["personal"][0]["subject"];
    assert_eq!(shown.body["personal"][0]["pointer"], "/spec/contacts/0/name");
    world.post("/v1/erase", &json!({ "subject": subject })).await.expect(StatusCode::OK);
    let shown = world.get("/v1/resources/vendor/v").await;
    assert_eq!(shown.body["spec"]["contacts"][0]["name"], "(erased)");
    assert!(!shown.text.contains("Jo Example"), "{}", shown.text);
    let report = world.send(request("POST", "/v1/ledger/verify", ADMIN, None)).await;
    assert_eq!(report.expect(StatusCode::OK)["good"], true);
    let head = world.get("/v1/ledger/head").await;
    assert_eq!(head.expect(StatusCode::OK)["root"], report.body["root"]);
    let nobody = json!({ "subject": "00000000-0000-0000-0000-0000000000ff" });
    world.post("/v1/erase", &nobody).await.refused(404, "there is no subject", "");
}
