//! The invoice as XML, element by element in the order of Decision 1271/QĐ-CT, part II, section II.

use std::fmt::Display;

use super::xml::Xml;
use super::{
    Buyer, FORM_VAT, Invoice, InvoiceError, Nature, Related, Seller, Totals, in_words, qr,
};
use crate::money::Vnd;

/// `PBan`: the version of the format that Decision 1271 describes.
const FORMAT_VERSION: &str = "2.1.0";
const TITLE: &str = "Hóa đơn giá trị gia tăng khởi tạo từ máy tính tiền";
/// Appendix IV: an ordinary good or service.
const GOOD_OR_SERVICE: u8 = 1;
/// Appendix VI: an e-invoice under Decree 123/2020/NĐ-CP.
const E_INVOICE: u8 = 1;
/// One right to park.
const UNIT: &str = "Lượt";

pub(super) fn write(invoice: &Invoice) -> Result<String, InvoiceError> {
    let totals = invoice.totals()?;
    let nets = invoice.net_by_line()?;
    let mut xml = Xml::new();
    xml.element("HDon", |xml| {
        // No two invoices have the same, so it names the signed part even among many in one message.
        let id = invoice.serial.authority_code();
        xml.element_with_id("DLHDon", &id, |xml| {
            xml.element("TTChung", |xml| general(xml, invoice));
            xml.element("NDHDon", |xml| {
                xml.element("NBan", |xml| seller(xml, &invoice.seller));
                xml.element("NMua", |xml| {
                    if let Some(told) = &invoice.buyer {
                        buyer(xml, told);
                    }
                });
                xml.element("DSHHDVu", |xml| lines(xml, invoice, &nets));
                xml.element("TToan", |xml| payment(xml, invoice, &totals));
            });
        });
        xml.text("DLQRCode", qr::lookup_code(invoice, totals.total_vnd));
        xml.text("MCCQT", invoice.serial.authority_code());
        xml.element("DSCKS", |xml| xml.element("NBan", |_| {}));
    });
    Ok(xml.finish())
}

fn general(xml: &mut Xml, invoice: &Invoice) {
    xml.text("PBan", FORMAT_VERSION);
    xml.text("THDon", TITLE);
    xml.text("KHMSHDon", FORM_VAT);
    xml.text("KHHDon", &invoice.serial.symbol);
    xml.text("SHDon", invoice.serial.number);
    xml.text("NLap", invoice.local_time().date_naive());
    xml.text("HDCTTChinh", 0);
    xml.text("DVTTe", "VND");
    xml.text("TGia", 1);
    xml.text("HTTToan", &invoice.payment_method);
    xml.text_if("MSTTCGP", invoice.solution_tax_code.as_ref());
    if let Some(told) = &invoice.related {
        xml.element("TTHDLQuan", |xml| related(xml, told, invoice));
    }
    xml.element("TTKhac", |xml| {
        let time = invoice.local_time().format("%Y-%m-%dT%H:%M:%S");
        further(xml, "Thời điểm lập", time);
        further(xml, "Mã biên lai", invoice.receipt);
        further(xml, "Địa chỉ tra cứu", &invoice.receipt_url);
    });
}

fn related(xml: &mut Xml, related: &Related, invoice: &Invoice) {
    let issued = related.issued_at.with_timezone(&invoice.timezone);
    let nature = match related.nature {
        Nature::Replaces => 1,
        Nature::Adjusts => 2,
    };
    xml.text("TCHDon", nature);
    xml.text("LHDCLQuan", E_INVOICE);
    xml.text("KHMSHDCLQuan", FORM_VAT);
    xml.text("KHHDCLQuan", &related.symbol);
    xml.text("SHDCLQuan", related.number);
    xml.text("NLHDCLQuan", issued.date_naive());
    xml.text("GChu", &related.reason);
}

fn further(xml: &mut Xml, name: &str, value: impl Display) {
    xml.element("TTin", |xml| {
        xml.text("TTruong", name);
        xml.text("KDLieu", "string");
        xml.text("DLieu", value);
    });
}

fn seller(xml: &mut Xml, seller: &Seller) {
    xml.text("Ten", &seller.name);
    xml.text("MST", &seller.tax_code);
    xml.text("DChi", &seller.address);
}

fn buyer(xml: &mut Xml, buyer: &Buyer) {
    xml.text_if("Ten", buyer.name.as_ref());
    xml.text_if("MST", buyer.tax_code.as_ref());
    xml.text_if("DChi", buyer.address.as_ref());
    xml.text_if("CCCDan", buyer.citizen_id.as_ref());
}

fn lines(xml: &mut Xml, invoice: &Invoice, nets: &[Vnd]) {
    for (index, (line, net)) in invoice.lines.iter().zip(nets).enumerate() {
        xml.element("HHDVu", |xml| {
            xml.text("TChat", GOOD_OR_SERVICE);
            xml.text("STT", index + 1);
            xml.text("THHDVu", &line.text);
            xml.text("DVTinh", UNIT);
            xml.text("SLuong", 1);
            xml.text("DGia", net.get());
            xml.text("ThTien", net.get());
            xml.text("TSuat", rate(invoice.vat_bp));
        });
    }
}

fn payment(xml: &mut Xml, invoice: &Invoice, totals: &Totals) {
    xml.element("THTTLTSuat", |xml| {
        xml.element("LTSuat", |xml| {
            xml.text("TSuat", rate(invoice.vat_bp));
            xml.text("ThTien", totals.net_vnd.get());
            xml.text("TThue", totals.vat_vnd.get());
        });
    });
    xml.text("TgTCThue", totals.net_vnd.get());
    xml.text("TgTThue", totals.vat_vnd.get());
    xml.text("TgTTTBSo", totals.total_vnd.get());
    xml.text("TgTTTBChu", in_words(totals.total_vnd));
}

/// Appendix V: the statutory rates by name, any other as `KHAC:AB.CD%`.
fn rate(bp: u16) -> String {
    match bp {
        0 | 500 | 800 | 1000 => format!("{}%", bp / 100),
        other => format!("KHAC:{:02}.{:02}%", other / 100, other % 100),
    }
}
