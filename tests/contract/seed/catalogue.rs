//! Medicines and lab tests: the samples of the page, imported and looked up as it does.

use consilium::connect::catalog::import;

use super::Samples;
use crate::support::app::TestApp;
use crate::support::meeting::text;

const MEDICINES: &str = "name,form,provider,composition,product_introduction,uses,how_it_works,safety_advice,source_url
Amoxyclav 625 Tablet,tablet,1mg,Amoxycillin + Clavulanic Acid,Amoxyclav 625 Tablet is used in the treatment of...,\
Bacterial infections|Skin infections,Amoxyclav 625 Tablet is a combination of...,\"Alcohol
CONSULT YOUR DOCTOR...\",https://www.1mg.com/drugs/amoxyclav-625-tablet-12345
Amoxyclav 375 Tablet,tablet,1mg,,,,,,
Genericart Paracetamol 650mg Tablet,tablet,1mg,,,,,,
";
const LAB_TESTS: &str = "name,code,provider
\"Thyroid Profile, Free\",Z045,lal_pathlabs
\"Thyroid, Comprehensive Panel\",Z120,lal_pathlabs
Complete Blood Count,CBC,lal_pathlabs
";

#[tokio::test]
async fn the_samples_of_the_catalogues() {
    let app = TestApp::start().await;
    for file in [MEDICINES, LAB_TESTS] {
        import::import(&app.app.pool, &app.clock, file.as_bytes(), |_| {}).await.unwrap();
    }
    let (samples, nobody) = (Samples::of("catalogue"), app.nobody());
    let found = nobody.get("medicines/search?q=amoxyclav&limit=5").await.expect(200);
    samples.fits("medicines", &found, &[]);
    let whole = found.as_array().unwrap().iter().find(|line| line["name"] == "Amoxyclav 625 Tablet").unwrap();
    let shown = nobody.get(&format!("medicines/{}", text(&whole["id"]))).await.expect(200);
    samples.fits("medicine", &shown, &[]);
    for key in
        ["name", "form", "provider", "product_introduction", "uses", "how_it_works", "safety_advice", "source_url"]
    {
        assert_eq!(shown[key], samples.response("medicine")[key], "{key}");
    }
    // The page's own examples of the second and the third phase.
    let part = nobody.get("medicines/search?q=paracetamol").await.expect(200);
    assert_eq!(part[0]["name"], "Genericart Paracetamol 650mg Tablet");
    let typo = nobody.get("medicines/search?q=amoxyclv").await.expect(200);
    samples.fits("medicines", &typo, &[]);

    let found = nobody.get("lab-tests/catalog/search?q=thyroid&limit=5").await.expect(200);
    samples.fits("lab_tests", &found, &[]);
    assert_eq!(found[0]["code"], samples.response("lab_tests")[0]["code"]);
    let found = nobody.get("lab-tests/catalog/search?q=CBC&limit=5").await.expect(200);
    assert_eq!(found[0]["code"], "CBC");
}
