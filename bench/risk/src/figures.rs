//! The plots of the page.

use crate::curve::{Curve, Point};
use crate::ladder::Rung;
use crate::plot::{Axes, COLOURS, Drawing, legend};
use crate::statistics::Estimate;

const RATE: &str = "score challenges per 1,000 honest requests (test)";
const RATE_MAX: f64 = 20.0;

fn over_rate(curve: &Curve, of: impl Fn(&Point) -> Estimate) -> Vec<(f64, Estimate)> {
    curve.points.iter().map(|point| (point.test.value * 1_000.0, of(point))).collect()
}

/// The model's whole curve: any thief on the left, thieves on the victim's main endpoint on the right.
pub fn curve(model: &Curve) -> String {
    let mut drawing = Drawing::new(1_000.0, 440.0);
    let panel = |left| Axes { left, top: 50.0, width: 400.0, height: 310.0, x_max: RATE_MAX };
    let panels: [(Axes, &str, fn(&Point) -> &[Estimate; 3]); 2] = [
        (panel(70.0), "Any thief", |point| &point.any),
        (panel(570.0), "Thief on the victim's main endpoint", |point| &point.same),
    ];
    for (axes, title, of) in panels {
        axes.draw(&mut drawing, title, RATE, "share of thieves caught", 2.0);
        axes.mark(&mut drawing, 2.0, "2.0", "end");
        axes.mark(&mut drawing, 2.6, "2.6", "start");
        for (which, colour) in COLOURS.iter().take(3).enumerate() {
            axes.curve(&mut drawing, &over_rate(model, |point| of(point)[which]), colour, true);
        }
        for (limit, radius) in [(0.0020, 5.0), (0.0026, 3.5)] {
            let Some(point) = model.frozen(limit) else { continue };
            for (which, colour) in COLOURS.iter().take(3).enumerate() {
                let at = (axes.x(point.test.value * 1_000.0), axes.y(of(point)[which].value));
                drawing.dot(at, radius, colour);
            }
        }
        let names = ["within 5 requests", "within 20", "within 60"];
        let (x, y) = (axes.left + axes.width - 150.0, axes.top + axes.height - 62.0);
        legend(
            &mut drawing,
            x,
            y,
            &names.iter().zip(COLOURS).map(|(name, colour)| (*name, colour)).collect::<Vec<_>>(),
        );
    }
    drawing.text(
        500.0,
        430.0,
        "middle",
        "small",
        "Shaded: 95 % by bootstrap over victims. Dots: the thresholds that validation allows at 2.0 (large) and 2.6 (small) per 1,000.",
    );
    drawing.finish("Share of thieves caught, over what it costs honest clients")
}

/// All detectors, caught within twenty requests.
pub fn rivals(curves: &[Curve]) -> String {
    let mut drawing = Drawing::new(1_000.0, 440.0);
    let axes = Axes { left: 70.0, top: 50.0, width: 620.0, height: 310.0, x_max: RATE_MAX };
    axes.draw(&mut drawing, "Caught within 20 requests", RATE, "share of thieves caught", 2.0);
    axes.mark(&mut drawing, 2.0, "2.0", "end");
    axes.mark(&mut drawing, 2.6, "2.6", "start");
    for (place, curve) in curves.iter().enumerate().rev() {
        axes.curve(
            &mut drawing,
            &over_rate(curve, |point| point.any[1]),
            COLOURS[place % COLOURS.len()],
            place == 0,
        );
    }
    let names: Vec<_> = curves
        .iter()
        .enumerate()
        .map(|(place, curve)| (curve.name, COLOURS[place % COLOURS.len()]))
        .collect();
    legend(&mut drawing, 720.0, 64.0, &names);
    drawing.finish("All detectors: thieves caught within 20 requests, over what it costs honest clients")
}

/// What each kind of thief comes to, with intervals.
pub fn ladder(rungs: &[&Rung]) -> String {
    let height = 110.0 + 46.0 * rungs.len() as f64;
    let mut drawing = Drawing::new(1_000.0, height);
    let (left, width) = (430.0, 520.0);
    let x = |share: f64| left + width * share;
    drawing.text(30.0, 30.0, "start", "title", "The ladder: share of thieves caught");
    for fifth in 0..=5 {
        let share = f64::from(fifth) / 5.0;
        drawing.line((x(share), 46.0), (x(share), height - 50.0), "grid");
        drawing.text(x(share), height - 32.0, "middle", "small", &format!("{share:.1}"));
    }
    for (place, rung) in rungs.iter().enumerate() {
        let y = 68.0 + 46.0 * place as f64;
        drawing.text(left - 18.0, y + 4.0, "end", "", &rung.name);
        for (which, caught) in rung.caught.iter().enumerate() {
            let line = y - 11.0 + 11.0 * which as f64;
            drawing.stroke((x(caught.low), line), (x(caught.high), line), COLOURS[which], 2.0);
            drawing.dot((x(caught.value), line), 4.0, COLOURS[which]);
        }
    }
    for (which, name) in ["within 5 requests", "within 20", "within 60"].iter().enumerate() {
        let at = left + 170.0 * which as f64;
        drawing.dot((at, height - 12.0), 4.0, COLOURS[which]);
        drawing.text(at + 10.0, height - 8.0, "start", "small", name);
    }
    drawing.finish("The ladder: share of thieves of each kind caught")
}
