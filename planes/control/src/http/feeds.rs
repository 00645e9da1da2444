//! Feeds, and what is known of addresses.

use std::net::IpAddr;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use portcullis_api::feeds::RefreshRequest;
use portcullis_api::problem::Problem;

use super::read::Json;
use super::reply::{self, Reply, json};
use crate::control::Control;
use crate::feeds::NotNow;

pub async fn list(State(control): State<Control>) -> Reply {
    Ok(json(StatusCode::OK, &control.feed_views()))
}

pub async fn refresh(
    State(control): State<Control>,
    Path(name): Path<String>,
    Json(request): Json<RefreshRequest>,
) -> Reply {
    // A task of its own: it goes on to its end when the operator has gone.
    let (asked, own) = (name.clone(), control.clone());
    let refreshed = tokio::spawn(async move { own.refresh_feed(&asked, request.accept).await }).await;
    match refreshed {
        Ok(Ok(())) => {}
        Ok(Err(NotNow::Unknown)) => {
            let installed = control.feed_views().iter().any(|view| view.name == name && view.installed);
            let hint =
                if installed { "install it again by `make geo`" } else { "`portcullis feed list` has all" };
            let problem = Problem::new(404, "not found", format!("there is no Feed `{name}`"));
            return Err(problem.hint(hint).into());
        }
        Ok(Err(NotNow::UnderWay)) => {
            let problem = Problem::new(409, "under way", format!("feed `{name}` is being fetched"));
            return Err(problem.hint("look at `portcullis feed list` in a moment").into());
        }
        Ok(Err(NotNow::Nowhere)) | Err(_) => {
            let problem = Problem::new(503, "not ready", "nobody reads feeds in this process");
            return Err(problem.hint("try again in a moment").into());
        }
    }
    match control.feed_views().into_iter().find(|view| view.name == name) {
        Some(view) => Ok(json(StatusCode::OK, &view)),
        None => Err(reply::not_found(format!("there is no Feed `{name}`"))),
    }
}

pub async fn origin(State(control): State<Control>, Path(address): Path<String>) -> Reply {
    let Ok(address) = address.parse::<IpAddr>() else {
        let address: String = address.chars().take(80).collect();
        let problem = Problem::new(422, "no address", format!("`{address}` is not an IP address"));
        return Err(problem.hint("write it like 192.0.2.1 or 2001:db8::1").into());
    };
    Ok(json(StatusCode::OK, &control.origin_view(address)))
}
